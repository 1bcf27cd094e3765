#include "ca/name_constraints.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/der.h"
#include "ca/extensions.h"
#include "ca/names.h"

namespace hallmark {
namespace {

constexpr uint8_t kPermittedTag = der::ContextConstructed(0);
constexpr uint8_t kExcludedTag = der::ContextConstructed(1);

// GeneralSubtree: minimum is 0, its default, and maximum absent, as RFC 5280 demands.
Bytes SubtreeOf(ByteView base) { return der::Sequence({base}); }

// The address and the mask of a network in CIDR notation, which the profile's loader has checked.
Bytes NetworkOctets(const std::string& network) {
  const size_t slash = network.find('/');
  Bytes octets = AddressOctets(network.substr(0, slash)).value_or(Bytes(4));
  const size_t size = octets.size();
  const size_t prefix = std::stoul(network.substr(slash + 1));
  octets.resize(2 * size, 0);
  for (size_t bit = 0; bit < prefix; ++bit) octets[size + bit / 8] |= static_cast<uint8_t>(0x80u >> (bit % 8));
  return octets;
}

Bytes BaseOf(const Subtree& subtree) {
  switch (subtree.kind) {
    case Subtree::Kind::kDns: return der::Tlv(general_name::kDns, AsBytes(subtree.value));
    case Subtree::Kind::kUri: return der::Tlv(general_name::kUri, AsBytes(subtree.value));
    case Subtree::Kind::kEmail: return der::Tlv(general_name::kEmail, AsBytes(subtree.value));
    case Subtree::Kind::kIp: return der::Tlv(general_name::kIp, NetworkOctets(subtree.value));
    case Subtree::Kind::kDirectory: break;
  }
  return {};
}

// The name that begins every name below: the subject's attributes of these types, as they stand there.
StatusOr<Subject> BeginningOf(const Subject& subject, const std::vector<std::string>& types) {
  Subject beginning;
  for (const std::string& type : types) {
    const auto matches = [&](const Attribute& attribute) { return attribute.type == type; };
    if (std::none_of(subject.begin(), subject.end(), matches)) {
      return FieldError(reason::kSubjectNotAllowed, "csr.subject." + type,
                        "is missing, and the profile constrains the names below to begin with it");
    }
    std::copy_if(subject.begin(), subject.end(), std::back_inserter(beginning), matches);
  }
  return beginning;
}

}  // namespace

NameConstraintsTemplate::NameConstraintsTemplate(const NameConstraints& constraints)
    : permitted_(Prepare(constraints.permitted)), excluded_(Prepare(constraints.excluded)) {}

StatusOr<Bytes> NameConstraintsTemplate::Encode(const Subject& subject) const {
  if (permitted_.empty() && excluded_.empty()) return Bytes();
  ASSIGN_OR_RETURN(const Bytes permitted, Join(permitted_, kPermittedTag, subject));
  ASSIGN_OR_RETURN(const Bytes excluded, Join(excluded_, kExcludedTag, subject));
  return EncodeExtension(oid::kNameConstraints, true, der::Sequence({permitted, excluded}));
}

std::vector<NameConstraintsTemplate::Part> NameConstraintsTemplate::Prepare(const std::vector<Subtree>& subtrees) {
  std::vector<Part> parts;
  for (const Subtree& subtree : subtrees) {
    const bool directory = subtree.kind == Subtree::Kind::kDirectory;
    parts.push_back(directory ? Part{{}, subtree.attributes} : Part{SubtreeOf(BaseOf(subtree)), {}});
  }
  return parts;
}

StatusOr<Bytes> NameConstraintsTemplate::Join(const std::vector<Part>& parts, uint8_t tag, const Subject& subject) {
  if (parts.empty()) return Bytes();
  Bytes content;
  for (const Part& part : parts) {
    Append(content, part.encoded);
    if (part.attributes.empty()) continue;
    ASSIGN_OR_RETURN(const Subject beginning, BeginningOf(subject, part.attributes));
    Append(content, SubtreeOf(der::Tlv(general_name::kDirectory, EncodeName(beginning))));
  }
  return der::Tlv(tag, content);
}

}  // namespace hallmark
