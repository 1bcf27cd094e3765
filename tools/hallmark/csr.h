// The certification requests (PKCS#10, RFC 2986) that a command line names.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace hallmark::cli {

struct Csr {
  std::string source;  // for messages: the file, or "standard input", with "#2" behind it when it holds several
  std::string stem;    // the file's name without extension; empty when the certificate's CN is to name the output
  Bytes content;       // DER if it could be read, else as it stands, for the service to judge
};

// Reads files, the *.csr, *.req and *.p10 of directories in the order of their names, and `in` for "-". A file may hold
// several PEM blocks. kInvalidArgument (COMMAND_LINE_INVALID) when there is no CSR in a directory, nothing in a file,
// or a private key, and what ReadFile says; the first error ends it.
StatusOr<std::vector<Csr>> ReadCsrs(const std::vector<std::string>& arguments, std::istream& in);

// "sha256:" and 32 hexadecimal digits of a digest of what is asked of whom: the same request always has the same id.
std::string DefaultRequestId(const std::string& authority, const std::string& profile, ByteView csr);

// `text` as a file's name: what is not A-Z a-z 0-9 . _ - becomes _, as does a dot in front; empty stays empty.
std::string FileName(const std::string& text);

}  // namespace hallmark::cli
