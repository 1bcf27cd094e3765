// What a certificate says and how a request was judged, as messages.
#include <algorithm>

#include "base/text.h"
#include "grpc/convert.h"

namespace hallmark {
namespace {

// Of an error's detail, in octets: gRPC carries it in headers of 8 KiB, in base 64, beside all else.
constexpr size_t kDetailLimit = 3000;
constexpr size_t kTextLimit = 160;

void Add(google::protobuf::RepeatedPtrField<v1::Attribute>& to, const std::string& type, const std::string& value) {
  v1::Attribute& attribute = *to.Add();
  attribute.set_type(type);
  attribute.set_value(value);
}

void Assign(google::protobuf::RepeatedPtrField<std::string>& to, const std::vector<std::string>& from) {
  to.Assign(from.begin(), from.end());
}

}  // namespace

v1::Description ToProto(const Description& description) {
  v1::Description message;
  for (const Attribute& attribute : description.subject)
    Add(*message.mutable_subject(), attribute.type, attribute.value);
  for (const Attribute& attribute : description.issuer) Add(*message.mutable_issuer(), attribute.type, attribute.value);
  for (const GeneralName& name : description.subject_alt_names)
    Add(*message.mutable_subject_alt_names(), Name(name.kind), name.value);
  message.set_key_type(description.key_type);
  for (const KeyUsage usage : description.key_usage) message.add_key_usage(Name(usage));
  Assign(*message.mutable_extended_key_usage(), description.extended_key_usage);
  message.set_ca(description.ca);
  if (description.path_length.has_value()) message.set_path_length(*description.path_length);
  message.set_subject_key_identifier(Hex(description.subject_key_identifier));
  message.set_authority_key_identifier(Hex(description.authority_key_identifier));
  Assign(*message.mutable_crl_distribution_points(), description.crl_distribution_points);
  Assign(*message.mutable_ca_issuers(), description.ca_issuers);
  Assign(*message.mutable_ocsp(), description.ocsp);
  for (const CertificatePolicy& policy : description.certificate_policies) {
    auto* added = message.add_certificate_policies();
    added->set_oid(policy.oid);
    added->set_cps(policy.cps);
  }
  Assign(*message.mutable_permitted_subtrees(), description.permitted_subtrees);
  Assign(*message.mutable_excluded_subtrees(), description.excluded_subtrees);
  for (const RequestedExtension& extension : description.other_extensions) {
    auto* added = message.add_other_extensions();
    added->set_oid(extension.oid);
    added->set_critical(extension.critical);
    added->set_value(Hex(extension.value));
  }
  message.set_never_expires(description.not_after == NeverExpires());
  return message;
}

v1::Validation ToProto(const std::vector<Comparison>& comparisons, const std::vector<Finding>& findings) {
  v1::Validation message;
  for (const Comparison& comparison : comparisons) {
    auto* added = message.add_comparisons();
    added->set_field(comparison.field);
    added->set_asked(comparison.asked);
    added->set_allowed(comparison.allowed);
    added->set_result(comparison.result);
    added->set_problem(comparison.problem);
  }
  for (const Finding& finding : findings) {
    auto* added = message.add_findings();
    added->set_rule(finding.rule);
    added->set_citation(finding.citation);
    added->set_severity(Name(finding.severity));
    added->set_message(finding.message);
  }
  return message;
}

Status WithValidation(Status status, const v1::Validation& validation) {
  v1::Validation all = validation;
  for (auto& comparison : *all.mutable_comparisons()) {
    for (std::string* text : {comparison.mutable_asked(), comparison.mutable_allowed(), comparison.mutable_result(),
                              comparison.mutable_problem()}) {
      *text = Shorten(*text, kTextLimit);
    }
  }
  for (auto& finding : *all.mutable_findings()) finding.set_message(Shorten(finding.message(), kTextLimit));
  if (all.ByteSizeLong() > kDetailLimit) {
    // What is refused is the last to be left out.
    std::stable_partition(all.mutable_comparisons()->begin(), all.mutable_comparisons()->end(),
                          [](const auto& comparison) { return !comparison.problem().empty(); });
    int left_out = 0;
    while (all.ByteSizeLong() > kDetailLimit && all.comparisons_size() + all.findings_size() > 0) {
      all.comparisons_size() > 0 ? all.mutable_comparisons()->RemoveLast() : all.mutable_findings()->RemoveLast();
      all.set_left_out(++left_out);
    }
  }
  status.SetPayload(kValidationType, absl::Cord(all.SerializeAsString()));
  return status;
}

}  // namespace hallmark
