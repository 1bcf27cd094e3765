#include "tools/hallmark/ceremony/rehearsal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/serial.h"
#include "hsm/memory_signer.h"

namespace hallmark::ceremony {
namespace {

StatusOr<std::shared_ptr<const SigningKey>> MakeTwin(KeyType type, SignatureAlgorithm algorithm) {
  ASSIGN_OR_RETURN(std::unique_ptr<Signer> signer, GenerateMemorySigner(type, algorithm));
  return SigningKey::Create(std::move(signer));
}

// `octets` with each `from` replaced by `to`.
Bytes Replace(ByteView octets, ByteView from, ByteView to) {
  Bytes replaced;
  while (!octets.empty()) {
    const auto found = std::search(octets.begin(), octets.end(), from.begin(), from.end());
    const auto before = static_cast<size_t>(found - octets.begin());
    Append(replaced, octets.first(before));
    octets = octets.subspan(before);
    if (octets.empty()) break;
    Append(replaced, to);
    octets = octets.subspan(from.size());
  }
  return replaced;
}

}  // namespace

StatusOr<Prepared> Prepare(const std::filesystem::path& file) {
  Prepared prepared;
  ASSIGN_OR_RETURN(prepared.ceremony, ReadCeremony(file));
  ASSIGN_OR_RETURN(prepared.inputs, LoadInputs(prepared.ceremony));
  ASSIGN_OR_RETURN(prepared.material, Examine(prepared.ceremony, prepared.inputs));
  ASSIGN_OR_RETURN(prepared.plan, MakePlan(prepared.ceremony, prepared.inputs, prepared.material));
  ASSIGN_OR_RETURN(prepared.code, CodeOf(prepared.plan));
  return prepared;
}

StatusOr<Bytes> SealChecked(NamedDraft draft, const SigningKey& key) {
  const Kind kind = draft.kind;
  ASSIGN_OR_RETURN(Bytes sealed, Seal(std::move(draft.draft), key, absl::InfiniteFuture()));
  if (kind == Kind::kCsr) RETURN_IF_ERROR(ReadCsr(sealed).status());
  return sealed;
}

StatusOr<Rehearsal> Rehearse(const Prepared& prepared, Time now) {
  const Ceremony& ceremony = prepared.ceremony;
  Rehearsal rehearsal;
  rehearsal.moment.time = TruncateToSecond(now);
  for (size_t i = 0; i < SerialCount(ceremony); ++i) {
    ASSIGN_OR_RETURN(Bytes serial, NewSerial());
    rehearsal.moment.serials.push_back(std::move(serial));
  }
  if (ceremony.key.has_value()) {
    ASSIGN_OR_RETURN(rehearsal.twin, MakeTwin(ceremony.key->type, ceremony.key->algorithm));
  }
  std::shared_ptr<const SigningKey> signing_twin;
  if (ceremony.signing_key.has_value()) {
    ASSIGN_OR_RETURN(signing_twin,
                     MakeTwin(prepared.material.issuer->key.type(), SigningAlgorithm(ceremony, prepared.material)));
  }
  const PublicKey* new_key = rehearsal.twin == nullptr ? nullptr : &rehearsal.twin->public_key();
  ASSIGN_OR_RETURN(std::vector<NamedDraft> drafts,
                   ComposeDrafts(ceremony, prepared.material, new_key, rehearsal.moment));
  for (NamedDraft& draft : drafts) {
    rehearsal.tbs.push_back(ToBytes(draft.draft.tbs()));
    OutputRecord output{draft.output, draft.kind, ceremony.outputs.at(draft.output), {}};
    const SigningKey& key = draft.signatory == Signatory::kNewKey ? *rehearsal.twin : *signing_twin;
    ASSIGN_OR_RETURN(output.der, SealChecked(std::move(draft), key));
    rehearsal.outputs.push_back(std::move(output));
  }
  return rehearsal;
}

Status CheckRehearsed(const Rehearsal& rehearsal, const std::vector<NamedDraft>& drafts, const PublicKey* new_key) {
  for (size_t i = 0; i < drafts.size(); ++i) {
    Bytes tbs = ToBytes(drafts[i].draft.tbs());
    if (new_key != nullptr) {
      const PublicKey& twin = rehearsal.twin->public_key();
      tbs = Replace(tbs, new_key->spki(), twin.spki());
      for (const auto method : {Profile::KeyIdentifierMethod::kRfc7093, Profile::KeyIdentifierMethod::kSha1}) {
        tbs = Replace(tbs, KeyIdentifier(new_key->key_octets(), method), KeyIdentifier(twin.key_octets(), method));
      }
    }
    if (i < rehearsal.tbs.size() && tbs == rehearsal.tbs[i]) continue;
    return Error(Code::kInternal, reason::kInternal,
                 fmt::format("what would be signed as {} is not what was rehearsed; nothing was signed, report this",
                             drafts[i].output));
  }
  return absl::OkStatus();
}

}  // namespace hallmark::ceremony
