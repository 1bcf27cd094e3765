#include "grpc/convert_publication.h"

#include "base/reason.h"
#include "grpc/convert.h"

namespace hallmark {
namespace {

v1::Target::Chain ToProto(ChainState state) {
  switch (state) {
    case ChainState::kNone: return v1::Target::CHAIN_UNSPECIFIED;
    case ChainState::kPublishing: return v1::Target::PUBLISHING;
    case ChainState::kPublished: return v1::Target::PUBLISHED;
    case ChainState::kFailed: return v1::Target::FAILED;
  }
  return v1::Target::CHAIN_UNSPECIFIED;
}

const char* ActionOf(const PlannedStep& step) {
  switch (step.kind) {
    case PlannedStep::Kind::kUpload: return "upload";
    case PlannedStep::Kind::kProve: return "prove";
    case PlannedStep::Kind::kClaim: return "claim";
    case PlannedStep::Kind::kRemove: return "remove";
    case PlannedStep::Kind::kBind: break;
  }
  if (step.denies && !step.etag.empty()) return "disable";
  return step.etag.empty() ? "create" : "update";
}

const char* NameOf(WorkKind kind) {
  switch (kind) {
    case WorkKind::kChain: return "chain";
    case WorkKind::kAuthority: return "authority";
    case WorkKind::kDevice: return "device";
  }
  return "";
}

void SetWork(v1::Target::Work& work, int64_t count, const std::optional<Time>& oldest) {
  work.set_count(count);
  if (oldest.has_value()) *work.mutable_oldest_time() = ToTimestamp(*oldest);
}

// Of a certificate or of a lot.
template <typename Message>
void SetVerdict(const AdmissionVerdict& verdict, Message& message) {
  message.set_admitted(verdict.admitted);
  message.set_error_code(verdict.error_code);
  message.set_advice(verdict.advice);
  for (const auto& [good, what] : verdict.findings) {
    auto& added = *message.add_findings();
    added.set_good(good);
    added.set_what(what);
  }
}

}  // namespace

v1::Target ToProto(const TargetStatus& status) {
  const TargetRecord& record = status.record;
  v1::Target target;
  target.set_name("targets/" + record.target);
  target.set_kind(record.kind);
  target.set_description(record.description);
  target.set_sha256(Hex(Sha256(AsBytes(record.description))));
  *target.mutable_create_time() = ToTimestamp(record.created);
  *target.mutable_update_time() = ToTimestamp(record.updated);
  target.set_updated_by(record.updated_by);
  if (record.published.has_value()) *target.mutable_publish_time() = ToTimestamp(*record.published);
  target.set_chain(ToProto(record.chain));
  SetWork(*target.mutable_waiting(), status.work.waiting, status.work.oldest_waiting);
  SetWork(*target.mutable_parked(), status.work.parked, status.work.oldest_parked);
  target.set_blocked_devices(status.blocked);
  target.set_pinned_devices(status.pinned);
  target.set_under_way_devices(status.under_way);
  target.set_as_described(status.as_described());
  target.set_converged(status.converged());
  if (status.chain.has_value()) {
    target.set_chain_failure_reason(status.chain->reason);
    target.set_chain_failure(status.chain->failure);
  }
  if (!status.pause.reason.empty()) {
    *target.mutable_paused_until() = ToTimestamp(status.pause.until);
    target.set_paused_reason(status.pause.reason);
  }
  return target;
}

v1::PublicationPlan ToProto(const ChainPlan& plan) {
  v1::PublicationPlan message;
  for (const PlannedStep& step : plan.steps) {
    auto& added = *message.add_steps();
    added.set_action(ActionOf(step));
    added.set_kind(step.kind == PlannedStep::Kind::kBind ? "enrollment group" : "certificate");
    added.set_id(step.id);
    for (const std::string& detail : step.details) added.add_details(detail);
  }
  for (const std::string& conflict : plan.conflicts) message.add_conflicts(conflict);
  for (const std::string& warning : plan.warnings) message.add_warnings(warning);
  for (const std::string& obstacle : plan.obstacles) message.add_obstacles(obstacle);
  message.set_certificates(static_cast<int64_t>(plan.certificates));
  message.set_most_certificates(static_cast<int64_t>(plan.most_certificates));
  message.set_groups(static_cast<int64_t>(plan.groups));
  message.set_most_groups(static_cast<int64_t>(plan.most_groups));
  return message;
}

v1::WorkItem ToProto(const WorkRecord& work) {
  v1::WorkItem item;
  item.set_kind(NameOf(work.kind));
  item.set_key(work.key);
  *item.mutable_queue_time() = ToTimestamp(work.queued);
  item.set_attempts(static_cast<int32_t>(work.attempts));
  *item.mutable_next_time() = ToTimestamp(work.next);
  item.set_parked(work.parked);
  item.set_failure_reason(work.reason);
  item.set_failure(work.failure);
  item.set_review(work.review);
  return item;
}

v1::ReconcileTargetResponse::Drift ToProto(const Drift& drift) {
  v1::ReconcileTargetResponse::Drift message;
  message.set_kind(drift.kind);
  message.set_id(drift.id);
  message.set_what(drift.what);
  message.set_ours(drift.ours);
  return message;
}

v1::ReconcileTargetResponse::Result ToProto(const Reconciled& result) {
  v1::ReconcileTargetResponse::Result message;
  message.set_seen(result.seen);
  message.set_drift(result.drift);
  message.set_repairing(result.repairing);
  return message;
}

v1::CheckCertificateResponse ToProto(const AdmissionVerdict& verdict) {
  v1::CheckCertificateResponse message;
  SetVerdict(verdict, message);
  return message;
}

v1::LotAdmission ToProto(const LotAdmission& admission) {
  v1::LotAdmission message;
  if (!admission.target.empty()) message.set_target("targets/" + admission.target);
  message.set_id_scope(admission.id_scope);
  if (!admission.looked.ok()) {
    message.set_failure_reason(Reason(admission.looked));
    message.set_failure(Message(admission.looked));
  } else {
    SetVerdict(admission.verdict, message);
  }
  return message;
}

v1::Enrollment ToProto(const Enrollment& enrollment) {
  v1::Enrollment message;
  message.set_registration_id(enrollment.registration_id);
  switch (enrollment.state) {
    case Enrollment::State::kUnderWay: message.set_state(v1::Enrollment::UNDER_WAY); break;
    case Enrollment::State::kBlocked: message.set_state(v1::Enrollment::DISABLED); break;
    case Enrollment::State::kPinned: message.set_state(v1::Enrollment::PINNED); break;
  }
  message.set_created(enrollment.created);
  if (enrollment.collect.has_value()) *message.mutable_collect_time() = ToTimestamp(*enrollment.collect);
  message.set_hub(enrollment.hub);
  message.set_hub_disabled(enrollment.hub_disabled);
  message.set_by_hand(enrollment.by_hand);
  return message;
}

}  // namespace hallmark
