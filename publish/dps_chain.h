// Brings the CA certificates and enrollment groups of a provisioning service to what they should be, one step after the
// other, each planned anew from what is there: whatever cuts it off, it goes on where it was.
#pragma once

#include <string>

#include "ca/authority.h"
#include "publish/chain_plan.h"
#include "publish/target.h"

namespace hallmark {

// How the chain stands in the service otherwise than it should.
struct ChainDrift {
  // What is ours to do: as Plan without taking over, and what we once set and somebody has changed since. Its conflicts
  // were never ours.
  ChainPlan plan;
  std::vector<PublishedRecord> notes;  // with which Publish will do it
  std::vector<FoundCertificate> certificates;
};

// Thread-safe.
class DpsChain {
 public:
  // All of these outlive it. `realm`: of the caller that asks for certificates of possession.
  DpsChain(const DpsService& service, const CertificateAuthority& authority, std::string realm, std::string target,
           const DpsDescription& description)
      : service_(service),
        authority_(authority),
        realm_(std::move(realm)),
        target_(std::move(target)),
        description_(description) {}

  StatusOr<ChainPlan> Plan(bool take_over, Time deadline) const;
  StatusOr<ChainDrift> Compare(Time deadline) const;
  // As Target::Publish.
  Status Publish(Extent extent, bool take_over, Time deadline) const;

 private:
  // From the authorities as they are now: one that was revoked a moment ago must not be missed.
  StatusOr<WantedChain> Wanted() const;
  StatusOr<WrittenChain> Written() const;
  StatusOr<FoundChain> Found(Time deadline) const;
  // The certificates that we have uploaded, by our notes.
  StatusOr<std::vector<FoundCertificate>> Uploaded() const;
  std::vector<std::string> UntoldProfiles() const;
  Status Deny(Time deadline) const;
  Status BindNoted(const PlannedStep& step, const WrittenChain& written, Time deadline) const;
  Status Perform(const PlannedStep& step, Time deadline) const;
  Status Upload(const PlannedStep& step, Time deadline) const;
  Status Prove(const PlannedStep& step, Time deadline) const;
  Status Claim(const PlannedStep& step, Time deadline) const;
  Status Bind(const PlannedStep& step, Time deadline) const;
  Status Remove(const PlannedStep& step, Time deadline) const;
  // The code to prove possession with: the one that was asked for before, while it still counts.
  struct Proof;
  StatusOr<Proof> BeginProof(const PlannedStep& step, Time deadline) const;
  PublishedRecord Record(PublishedKind kind, const std::string& id, const nlohmann::json& content) const;
  Status Keep(PublishedKind kind, const std::string& id, const nlohmann::json& content, const char* entry) const;
  // The service did not believe a proof, or somebody asked for another code: how often is kept with the certificate.
  Status NoteRefusal(const PlannedStep& step, const Proof& proof, const Status& refused) const;
  Status NoteProven(const std::string& id, const nlohmann::json& content) const;
  Status DropProof(const std::string& id) const;
  // What stands there as it should without that we have noted it, because we were cut off.
  Status NoteSettled(const ChainPlan& plan) const;

  const DpsService& service_;
  const CertificateAuthority& authority_;
  const std::string realm_;
  const std::string target_;
  const DpsDescription& description_;
};

}  // namespace hallmark
