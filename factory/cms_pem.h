// The octets of one PEM block (RFC 7468) as a stream.
#pragma once

#include <istream>
#include <streambuf>
#include <string>
#include <vector>

#include "base/openssl.h"
#include "base/status.h"

namespace hallmark {

// Whether the stream, which stays where it is, begins with a PEM block of a SignedData.
bool IsPem(std::istream& in);

// Borrows `in`, which IsPem. Ends with the block; white space only may follow it.
class PemInput : public std::streambuf {
 public:
  explicit PemInput(std::istream& in);
  // Why it ended early. OK: at the block's end.
  const Status& status() const { return status_; }

 protected:
  int_type underflow() override;

 private:
  using Decoder = ssl::Owner<EVP_ENCODE_CTX, EVP_ENCODE_CTX_free>;

  StatusOr<bool> ReadLine(std::string& line);
  StatusOr<size_t> Decode();
  Status Finish(const std::string& line);

  std::istream& in_;
  Decoder decoder_;
  std::string end_;  // "-----END CMS-----"
  std::vector<char> block_;
  Status status_;
  bool ended_ = false;
};

}  // namespace hallmark
