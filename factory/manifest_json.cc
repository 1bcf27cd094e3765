#include "factory/manifest_json.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "base/text.h"

namespace hallmark {
namespace {

using nlohmann::json;

constexpr size_t kBlock = 64 * 1024;

// The events of a parser, put into a builder.
class BuilderEvents : public ValueEvents {
 public:
  explicit BuilderEvents(ValueBuilder& builder) : builder_(builder) {}
  const std::string& error() const { return error_; }

  bool key(string_t& key) override {
    builder_.Key(key);
    return Good();
  }
  bool parse_error(size_t, const std::string&, const json::exception& error) override {
    error_ = JsonErrorText(error);
    return false;
  }

 private:
  bool Good() const { return builder_.broken().empty() && !builder_.too_large(); }
  bool Scalar(json value) override {
    builder_.Scalar(std::move(value));
    return Good();
  }
  bool Begin(json container) override {
    builder_.Begin(std::move(container));
    return Good();
  }
  bool End() override {
    builder_.End();
    return Good();
  }

  ValueBuilder& builder_;
  std::string error_;
};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool IsStructure(char c) { return c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':' || c == '"'; }

}  // namespace

SummedInput::SummedInput(std::istream& in) : in_(in), block_(kBlock), digest_(EVP_MD_CTX_new()) {
  if (digest_ == nullptr || EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr) != 1) {
    status_ = Error(Code::kInternal, reason::kInternal, "cannot begin a SHA-256: " + ssl::DrainErrors());
  }
}

SummedInput::int_type SummedInput::underflow() {
  if (!status_.ok()) return traits_type::eof();
  in_.read(block_.data(), static_cast<std::streamsize>(block_.size()));
  const auto size = static_cast<size_t>(in_.gcount());
  if (in_.bad()) status_ = Error(Code::kFailedPrecondition, reason::kFileUnreadable, "cannot read on in the file");
  if (size == 0 || !status_.ok()) return traits_type::eof();
  EVP_DigestUpdate(digest_.get(), block_.data(), size);
  const size_t good = Judge({block_.data(), size});
  if (good == 0) return traits_type::eof();
  setg(block_.data(), block_.data(), block_.data() + good);
  return traits_type::to_int_type(block_[0]);
}

StatusOr<Digest> SummedInput::Sha256() {
  Digest digest{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(digest_.get(), digest.data(), &size) != 1 || size != digest.size()) {
    return Error(Code::kInternal, reason::kInternal, "cannot finish a SHA-256: " + ssl::DrainErrors());
  }
  return digest;
}

size_t GuardedInput::Judge(std::string_view block) {
  for (size_t i = 0; i < block.size(); ++i) {
    const char c = block[i];
    ++token_;
    if (in_text_) {
      const bool ends = c == '"' && !escaped_;
      escaped_ = c == '\\' && !escaped_;
      in_text_ = !ends;
      if (ends) token_ = 0;
    } else if (IsStructure(c)) {
      in_text_ = c == '"';
      token_ = 0;
    } else if (IsBlank(c) != blank_) {
      blank_ = !blank_;
      token_ = 1;
    }
    if (token_ > kTokenLimit) {
      Stop(Error(Code::kInvalidArgument, reason::kManifestTooLarge,
                 fmt::format("the manifest has a text, a number or a gap of more than {} octets", kTokenLimit)));
      return i;
    }
  }
  return block.size();
}

void ValueBuilder::Reset(size_t limit) {
  root_ = nullptr;
  open_.clear();
  keys_.clear();
  broken_.clear();
  size_ = 0;
  limit_ = limit;
  started_ = false;
}

json* ValueBuilder::Place(json value) {
  started_ = true;
  constexpr size_t kOverhead = 8;
  size_ += kOverhead + (value.is_string() ? value.get_ref<const std::string&>().size() : 0);
  if (open_.empty()) {
    root_ = std::move(value);
    return &root_;
  }
  json& parent = *open_.back();
  if (parent.is_array()) return &parent.emplace_back(std::move(value));
  return &(parent[keys_.back()] = std::move(value));
}

void ValueBuilder::Scalar(json value) { Place(std::move(value)); }

void ValueBuilder::Begin(json container) {
  json* placed = Place(std::move(container));
  open_.push_back(placed);
  keys_.emplace_back();
  if (open_.size() > kNestingLimit) broken_ = fmt::format("is nested more than {} deep", kNestingLimit);
}

void ValueBuilder::Key(const std::string& key) {
  size_ += key.size();
  if (open_.back()->contains(key)) broken_ = fmt::format("has {} twice", Quoted(key));
  keys_.back() = key;
}

void ValueBuilder::End() {
  open_.pop_back();
  keys_.pop_back();
}

json ValueBuilder::Take() {
  started_ = false;
  return std::move(root_);
}

std::string JsonErrorText(const json::exception& error) {
  std::string text = error.what();
  text = text.substr(0, text.find("; last read"));
  const size_t start = text.find("parse error");
  text = start == text.npos ? text : text.substr(start);
  return IsIa5String(text) && IsCleanUtf8(text) ? text : "parse error";
}

StatusOr<json> ParseStrictJson(std::string_view text) {
  const auto refuse = [](const std::string& why) {
    return Error(Code::kInvalidArgument, reason::kManifestInvalid, why);
  };
  ValueBuilder builder;
  builder.Reset(kLineLimit);
  BuilderEvents events(builder);
  const bool parsed = json::sax_parse(text, &events);
  if (!events.error().empty()) return refuse(events.error());
  if (!builder.broken().empty()) return refuse(builder.broken());
  if (!parsed || !builder.done()) return refuse(fmt::format("is larger than {} octets", kLineLimit));
  return builder.Take();
}

}  // namespace hallmark
