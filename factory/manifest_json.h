// How JSON of outside is read: as a stream, with a limit on each value, without a key that stands twice.
#pragma once

#include <array>
#include <istream>
#include <nlohmann/json.hpp>
#include <streambuf>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/openssl.h"
#include "base/status.h"
#include "factory/manifest_fields.h"

namespace hallmark {

inline constexpr size_t kTokenLimit = 4096;  // octets of a text, number or run of blanks
inline constexpr size_t kNestingLimit = 8;
inline constexpr size_t kLineLimit = 16 * 1024;  // octets of one line

// What a reader of lines reads through: hands on the octets of `in`, in blocks, and sums them up. Borrows `in`; one
// pass.
class SummedInput : public std::streambuf {
 public:
  explicit SummedInput(std::istream& in);
  // Why it ended early. OK: `in` was read to its end.
  const Status& status() const { return status_; }
  // Of the octets so far; once.
  StatusOr<Digest> Sha256();

 protected:
  int_type underflow() override;
  // How many octets of a block may be handed on; if not all, after Stop.
  virtual size_t Judge(std::string_view block) { return block.size(); }
  void Stop(Status why) { status_ = std::move(why); }

 private:
  std::istream& in_;
  std::vector<char> block_;
  ssl::EvpDigestContext digest_;
  Status status_;
};

// What a parser of JSON reads through: ends before a token that is too long, which the parser would hold in memory.
class GuardedInput : public SummedInput {
 public:
  using SummedInput::SummedInput;

 protected:
  size_t Judge(std::string_view block) override;

 private:
  bool in_text_ = false;
  bool escaped_ = false;
  bool blank_ = false;
  size_t token_ = 0;
};

// Builds one value of a parser's events. A key that stands twice, and nesting or a size beyond the limit, make it
// `broken` with a description.
class ValueBuilder {
 public:
  void Reset(size_t limit);
  void Scalar(nlohmann::json value);
  void Begin(nlohmann::json container);
  void Key(const std::string& key);
  void End();

  bool idle() const { return !started_; }
  bool done() const { return started_ && open_.empty(); }
  bool too_large() const { return size_ > limit_; }
  size_t size() const { return size_; }
  const std::string& broken() const { return broken_; }
  nlohmann::json Take();

 private:
  nlohmann::json* Place(nlohmann::json value);

  nlohmann::json root_;
  std::vector<nlohmann::json*> open_;
  std::vector<std::string> keys_;  // of each open container the last
  std::string broken_;
  size_t size_ = 0;
  size_t limit_ = kLineLimit;
  bool started_ = false;
};

// A parser's events, with values of every type as one.
class ValueEvents : public nlohmann::json::json_sax_t {
 public:
  using json = nlohmann::json;
  bool null() override { return Scalar(nullptr); }
  bool boolean(bool value) override { return Scalar(value); }
  bool number_integer(number_integer_t value) override { return Scalar(value); }
  bool number_unsigned(number_unsigned_t value) override { return Scalar(value); }
  bool number_float(number_float_t value, const string_t&) override { return Scalar(value); }
  bool string(string_t& value) override { return Scalar(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return Begin(json::object()); }
  bool start_array(size_t) override { return Begin(json::array()); }
  bool end_object() override { return End(); }
  bool end_array() override { return End(); }

 private:
  // Each: whether to go on.
  virtual bool Scalar(json value) = 0;
  virtual bool Begin(json container) = 0;
  virtual bool End() = 0;
};

// Where and why a text is no JSON, of what the parser says, without the text's own octets.
std::string JsonErrorText(const nlohmann::json::exception& error);

// Reads one whole value of a text within the limits above. kInvalidArgument.
StatusOr<nlohmann::json> ParseStrictJson(std::string_view text);

}  // namespace hallmark
