// The certificates of stations, as files on the PCs of operators and lines.
//
// An enrollment credential is one PEM file: a text with the endpoint, a private key, its certificate with the chain,
// and behind the line "roots:" whom to believe that it is the service. A station's own files stand in one directory: a
// context file NAME.yaml (see context.h) and what it names. A renewal writes a new key and certificate beside them,
// NAME-SERIAL-key.pem and NAME-SERIAL.pem, and then replaces the context, in one step; the pair of before stays until
// the next renewal. The key that is being certified is kept in NAME-next-key.pem until its certificate is in force, so
// that a repeated command asks for the same again.
#pragma once

#include <filesystem>

#include "policies/caller.h"
#include "tools/hallmark/session.h"

namespace hallmark::cli {

// Who the certificate of a context (PEM, or the DER of a certificate) says that it is: a caller's URI, its sole subject
// alternative name, as the service has it. kInvalidArgument (CONFIGURATION_INVALID) if it names nobody.
StatusOr<Caller> CallerOf(const Context& context);
StatusOr<Caller> CallerOf(ByteView certificate);

struct EnrollmentOrder {
  std::string station;    // "line-1"
  std::string authority;  // "authorities/access"
  std::string lifetime;   // as yaml::ParseDuration reads it; empty: the profile's
  std::filesystem::path out;
};
// Makes an enrollment credential as the operator of the session's context, and returns its certificate.
// kInvalidArgument (COMMAND_LINE_INVALID): there is such a file.
StatusOr<v1::Certificate> MakeEnrollmentCredential(Session& session, const EnrollmentOrder& order);

// kFailedPrecondition (FILE_UNREADABLE) when others may read it, kInvalidArgument (CONFIGURATION_INVALID) when it is
// none, or what ReadFile says.
StatusOr<Context> ReadEnrollmentCredential(const std::filesystem::path& file);

// Makes a key in `directory`, has it certified for an enrollment credential and writes DIRECTORY/station.yaml. Safe to
// repeat. kAlreadyExists (CONFIGURATION_INVALID): a station is enrolled there.
Status EnrollStation(Session& session, const std::filesystem::path& credential, const std::filesystem::path& directory);

// Renews the credential of the session's context, a station's, when less than a third of its life is left, or always
// with `force`. Returns whether it did: `client` goes on with the old certificate, session.Connect() makes one with the
// new. `client` and `session` are of one context. An error leaves the old credential in force.
StatusOr<bool> Renew(Session& session, Client& client, bool force);
inline StatusOr<bool> RenewIfDue(Session& session, Client& client) { return Renew(session, client, false); }

}  // namespace hallmark::cli
