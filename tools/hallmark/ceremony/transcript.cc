#include "tools/hallmark/ceremony/transcript.h"

#include <fmt/format.h>

#include <array>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/statement.h"

namespace hallmark::ceremony {
namespace {

constexpr char kFormat[] = "hallmark-ceremony-transcript";
constexpr int kVersion = 1;
constexpr int kDepthLimit = 16;

struct Flag {
  const char* name;
  bool KeyAttributes::*value;
};
constexpr std::array<Flag, 11> kFlags = {{{"CKA_TOKEN", &KeyAttributes::on_token},
                                          {"CKA_PRIVATE", &KeyAttributes::is_private},
                                          {"CKA_SENSITIVE", &KeyAttributes::sensitive},
                                          {"CKA_ALWAYS_SENSITIVE", &KeyAttributes::always_sensitive},
                                          {"CKA_EXTRACTABLE", &KeyAttributes::extractable},
                                          {"CKA_NEVER_EXTRACTABLE", &KeyAttributes::never_extractable},
                                          {"CKA_LOCAL", &KeyAttributes::local},
                                          {"CKA_SIGN", &KeyAttributes::sign},
                                          {"CKA_DECRYPT", &KeyAttributes::decrypt},
                                          {"CKA_UNWRAP", &KeyAttributes::unwrap},
                                          {"CKA_DERIVE", &KeyAttributes::derive}}};

Status Invalid(const std::string& what) {
  return Error(Code::kInvalidArgument, reason::kTranscriptInvalid, "the transcript " + what);
}

// Thrown by the readers below and caught in ReadTranscript alone, as nlohmann's own exceptions are.
struct Malformed {
  std::string what;
};

template <class T>
T Take(StatusOr<T> value) {
  if (!value.ok()) throw Malformed{Message(value.status())};
  return *std::move(value);
}

Bytes FromBase64(const std::string& text) {
  Bytes octets(text.size() / 4 * 3);
  const int size = EVP_DecodeBlock(octets.data(), AsBytes(text).data(), static_cast<int>(text.size()));
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  if (size < 0 || static_cast<size_t>(size) != octets.size()) throw Malformed{"base64 is malformed"};
  octets.resize(octets.size() - padding);
  if (Base64(octets) != text) throw Malformed{"base64 is malformed"};
  return octets;
}

Bytes BytesAt(const Json& json, const char* name) { return FromBase64(json.at(name).get<std::string>()); }

Time TimeAt(const Json& json, const char* name) {
  Time time;
  if (!absl::ParseTime("%Y-%m-%dT%H:%M:%SZ", json.at(name).get<std::string>(), &time, nullptr)) {
    throw Malformed{fmt::format("{} is no instant", name)};
  }
  return time;
}

SignatureAlgorithm AlgorithmAt(const Json& json) {
  return Take(ParseSignatureAlgorithm(json.at("algorithm").get<std::string>()));
}

Kind KindAt(const Json& json) {
  const auto name = json.at("kind").get<std::string>();
  for (const Kind kind : {Kind::kCertificate, Kind::kCsr, Kind::kCrl}) {
    if (name == Name(kind)) return kind;
  }
  throw Malformed{fmt::format("'{}' is no kind of output", name)};
}

Json ToJson(const KeyRecord& key) {
  Json attributes = Json::object();
  for (const Flag& flag : kFlags) attributes[flag.name] = key.attributes.*flag.value;
  return {{"algorithm", Name(key.algorithm)},
          {"attributes", attributes},
          {"name", key.name},
          {"public_key", Base64(key.public_key)},
          {"public_key_sha256", Hex(Sha256(key.public_key))},
          {"type", key.attributes.type.has_value() ? hallmark::Name(*key.attributes.type) : "unknown"},
          {"uri", key.attributes.uri.ToString()}};
}

KeyRecord ReadKey(const Json& json) {
  KeyRecord key;
  key.name = json.at("name").get<std::string>();
  key.algorithm = AlgorithmAt(json);
  key.public_key = BytesAt(json, "public_key");
  key.attributes.uri = Take(KeyUri::Parse(json.at("uri").get<std::string>()));
  key.attributes.type = Take(ParseKeyType(json.at("type").get<std::string>()));
  for (const Flag& flag : kFlags) key.attributes.*flag.value = json.at("attributes").at(flag.name).get<bool>();
  return key;
}

// Of an output that cannot be read, the summary says so: ReadTranscript then meets the same text, and verification
// finds it.
Json ToJson(const OutputRecord& output) {
  const StatusOr<Json> summary = Summarize(output.kind, output.der);
  return {{"der", Base64(output.der)},
          {"der_sha256", Hex(Sha256(output.der))},
          {"file", output.file},
          {"file_sha256", Hex(Sha256(OutputOctets(output)))},
          {"kind", Name(output.kind)},
          {"name", output.name},
          {"says", summary.ok() ? *summary : Json("unreadable")}};
}

Json ToJson(const TranscriptSignature& signature) {
  Json json = {
      {"algorithm", Name(signature.algorithm)}, {"by", signature.by}, {"signature", Base64(signature.signature)}};
  if (!signature.certificate.empty()) json["certificate"] = Base64(signature.certificate);
  return json;
}

StatusOr<Json> ToJson(const Transcript& transcript) {
  ASSIGN_OR_RETURN(const PlanCode code, CodeOf(transcript.plan));
  Json json = {
      {"format", kFormat},
      {"version", kVersion},
      {"tool", {{"name", "hallmark"}, {"version", transcript.tool_version}}},
      {"host", transcript.host},
      {"began", Rfc3339(transcript.began)},
      {"ended", Rfc3339(transcript.ended)},
      {"moment", Rfc3339(transcript.moment)},
      {"ceremony",
       {{"file", transcript.file}, {"sha256", Hex(Sha256(AsBytes(transcript.text)))}, {"text", transcript.text}}},
      {"plan", transcript.plan},
      {"plan_code", code.code},
      {"plan_sha256", code.full},
      {"hsm", transcript.hsm},
      {"result", transcript.failure.empty() ? "complete" : "interrupted"}};
  for (const char* list : {"approvals", "keys", "drafts", "outputs", "signatures"}) json[list] = Json::array();
  json["inputs"] = Json::object();
  for (const Approval& approval : transcript.approvals) {
    json["approvals"].push_back(
        {{"method", approval.method}, {"participant", approval.participant}, {"time", Rfc3339(approval.time)}});
  }
  for (const KeyRecord& key : transcript.keys) json["keys"].push_back(ToJson(key));
  for (const auto& [name, input] : transcript.inputs) {
    json["inputs"][name] = {{"content", Base64(AsBytes(input.content))}, {"file", input.file}};
  }
  for (const DraftRecord& draft : transcript.drafts) {
    json["drafts"].push_back({{"draft", Base64(draft.draft)}, {"output", draft.output}});
  }
  for (const OutputRecord& output : transcript.outputs) json["outputs"].push_back(ToJson(output));
  for (const TranscriptSignature& signature : transcript.signatures) json["signatures"].push_back(ToJson(signature));
  if (!transcript.failure.empty()) json["failure"] = transcript.failure;
  return json;
}

void ReadLists(const Json& json, Transcript& transcript) {
  for (const Json& approval : json.at("approvals")) {
    transcript.approvals.push_back({approval.at("participant").get<std::string>(),
                                    approval.at("method").get<std::string>(), TimeAt(approval, "time")});
  }
  for (const Json& key : json.at("keys")) transcript.keys.push_back(ReadKey(key));
  for (const auto& [name, input] : json.at("inputs").items()) {
    transcript.inputs[name] = {input.at("file").get<std::string>(), ToString(BytesAt(input, "content"))};
  }
  for (const Json& draft : json.at("drafts")) {
    transcript.drafts.push_back({draft.at("output").get<std::string>(), BytesAt(draft, "draft")});
  }
  for (const Json& output : json.at("outputs")) {
    transcript.outputs.push_back({output.at("name").get<std::string>(), KindAt(output),
                                  output.at("file").get<std::string>(), BytesAt(output, "der")});
  }
  for (const Json& signature : json.at("signatures")) {
    transcript.signatures.push_back({signature.at("by").get<std::string>(),
                                     signature.contains("certificate") ? BytesAt(signature, "certificate") : Bytes(),
                                     AlgorithmAt(signature), BytesAt(signature, "signature")});
  }
}

Transcript FromJson(const Json& json) {
  if (json.at("format") != kFormat || json.at("version") != kVersion) throw Malformed{"the version is not known here"};
  Transcript transcript;
  transcript.tool_version = json.at("tool").at("version").get<std::string>();
  transcript.host = json.at("host").get<std::string>();
  transcript.began = TimeAt(json, "began");
  transcript.ended = TimeAt(json, "ended");
  transcript.moment = TimeAt(json, "moment");
  transcript.file = json.at("ceremony").at("file").get<std::string>();
  transcript.text = json.at("ceremony").at("text").get<std::string>();
  transcript.plan = json.at("plan");
  transcript.hsm = json.at("hsm");
  if (json.contains("failure")) transcript.failure = json.at("failure").get<std::string>();
  ReadLists(json, transcript);
  return transcript;
}

// nullopt for what is no JSON, or nests too deep for the functions that walk it.
std::optional<Json> ParseJson(const std::string& text) {
  bool too_deep = false;
  const Json::parser_callback_t limit = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kDepthLimit;
    return depth <= kDepthLimit;
  };
  Json json = Json::parse(text, limit, false);
  if (too_deep || json.is_discarded()) return std::nullopt;
  return json;
}

}  // namespace

Bytes OutputOctets(const OutputRecord& output) {
  for (const char* extension : {".der", ".cer", ".crl", ".p10"}) {
    if (output.file.ends_with(extension)) return output.der;
  }
  return ToBytes(AsBytes(PemEncode(PemLabel(output.kind), output.der)));
}

StatusOr<std::string> WriteTranscript(const Transcript& transcript) {
  ASSIGN_OR_RETURN(const Json json, ToJson(transcript));
  return Canonical(json);
}

StatusOr<Transcript> ReadTranscript(const std::string& text) {
  if (text.size() > kTranscriptLimit) return Invalid(fmt::format("is larger than {} octets", kTranscriptLimit));
  const std::optional<Json> json = ParseJson(text);
  if (!json.has_value()) return Invalid("is no JSON, or is nested too deep");
  Transcript transcript;
  try {
    transcript = FromJson(*json);
  } catch (const Malformed& malformed) {
    return Invalid("cannot be read: " + malformed.what);
  } catch (const Json::exception& exception) {
    return Invalid(fmt::format("cannot be read: {}", exception.what()));
  }
  const StatusOr<Json> expected = ToJson(transcript);
  if (!expected.ok()) return Invalid("has text that is not UTF-8");
  if (*expected != *json) {
    return Invalid("contradicts itself at " + Json::diff(*json, *expected).at(0).at("path").get<std::string>());
  }
  const StatusOr<std::string> canonical = Canonical(*expected);
  if (!canonical.ok() || *canonical != text) return Invalid("is not in canonical form");
  return transcript;
}

StatusOr<std::string> SignedContent(const Transcript& transcript) {
  ASSIGN_OR_RETURN(Json json, ToJson(transcript));
  json.erase("signatures");
  return Canonical(json);
}

Status SignTranscript(const SigningKey& key, const std::string& by, ByteView certificate, Transcript& transcript) {
  ASSIGN_OR_RETURN(const std::string content, SignedContent(transcript));
  ASSIGN_OR_RETURN(Bytes signature, SignStatement(kTranscriptDomain, AsBytes(content), key, absl::InfiniteFuture()));
  transcript.signatures.push_back({by, ToBytes(certificate), key.signer().algorithm(), std::move(signature)});
  return absl::OkStatus();
}

}  // namespace hallmark::ceremony
