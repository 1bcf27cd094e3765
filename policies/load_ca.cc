// What makes a certificate one of an authority: path length and name constraints (RFC 5280 4.2.1.9, 4.2.1.10).
#include <fmt/format.h>

#include "policies/forms.h"
#include "policies/load_parts.h"

namespace hallmark {
namespace {

constexpr int64_t kMaxPathLength = 8;

// A name below begins with attributes of this certificate's own subject, which hence must have them.
void CheckAttributes(yaml::Mapping& tree, const Profile& profile, const Subtree& subtree) {
  for (const std::string& type : subtree.attributes) {
    const bool is_there = std::any_of(profile.subject.begin(), profile.subject.end(),
                                      [&](const NameRule& rule) { return rule.type == type && rule.required; });
    if (!is_there) {
      tree.Fail("attributes",
                fmt::format("'{}' is no required attribute of the profile's subject, whose value it takes", type));
    }
  }
}

Subtree ReadSubtree(yaml::Mapping& tree, const Profile& profile) {
  Subtree subtree;
  const StatusOr<Subtree::Kind> kind = ParseSubtreeKind(tree.Required<std::string>("type"));
  tree.Check(kind.status(), "type");
  if (!kind.ok()) return subtree;
  subtree.kind = *kind;
  if (subtree.kind == Subtree::Kind::kDirectory) {
    if (!tree.Has("attributes")) tree.Fail("attributes", "is required: the types that a name below begins with");
    subtree.attributes = ReadList<std::string>(tree, "attributes",
                                               [](const std::string& name) -> StatusOr<std::string> { return name; });
    CheckAttributes(tree, profile, subtree);
    return subtree;
  }
  subtree.value = tree.Required<std::string>("value");
  if (const Status form = CheckSubtree(subtree.kind, subtree.value); !form.ok()) {
    tree.Fail("value", fmt::format("'{}' {}", subtree.value, Message(form)));
  }
  return subtree;
}

void ReadSubtrees(yaml::Mapping& constraints, const std::string& field, const Profile& profile,
                  std::vector<Subtree>& subtrees) {
  constraints.Each(field, [&](yaml::Mapping& tree) {
    subtrees.push_back(ReadSubtree(tree, profile));
    return tree.Finish();
  });
  if (constraints.Has(field)) CheckCount(constraints, field, subtrees.size());
}

}  // namespace

Status ReadCa(yaml::Mapping& ca, Profile& profile) {
  profile.ca = true;
  if (ca.Has("path_length")) {
    profile.path_length = ca.Required<int64_t>("path_length");
    if (*profile.path_length < 0 || *profile.path_length > kMaxPathLength) {
      ca.Fail("path_length", fmt::format("must be 0 to {}", kMaxPathLength));
    }
  }
  ca.Nested("name_constraints", [&](yaml::Mapping& constraints) {
    ReadSubtrees(constraints, "permitted", profile, profile.name_constraints.permitted);
    ReadSubtrees(constraints, "excluded", profile, profile.name_constraints.excluded);
    if (profile.name_constraints.empty()) {
      constraints.Fail("", "constrains nothing; give permitted or excluded (RFC 5280 4.2.1.10)");
    }
    return constraints.Finish();
  });
  return ca.Finish();
}

}  // namespace hallmark
