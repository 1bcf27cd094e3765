// The canonical forms of DER (X.690 10, 11), over all that is not hidden in an OCTET STRING; extensions' values too.
#include <fmt/format.h>

#include <algorithm>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr int kDeepest = 24;

constexpr LintRule kDefault{"x690_11_5_default", "X.690 11.5", Severity::kError, "a DEFAULT value is absent"};
constexpr LintRule kSetOrder{"x690_11_6_set_order", "X.690 11.6", Severity::kError,
                             "the elements of a SET OF are in ascending order"};

bool IsString(uint8_t tag) {
  const uint8_t number = tag & 0x1f;
  return (tag & 0xc0) == 0 && (number == 3 || number == 4 || number == 12 || (number >= 18 && number <= 30));
}

// What is wrong with a primitive element; empty: nothing.
std::string PrimitiveFault(const der::Element& element) {
  const ByteView content = element.content;
  switch (element.tag) {
    case der::kBoolean:
      return content.size() == 1 && (content[0] == 0 || content[0] == 0xff) ? "" : "a BOOLEAN other than 00 or FF";
    case der::kInteger:
    case der::kEnumerated:
      if (content.empty()) return "an INTEGER without octets";
      return content.size() > 1 &&
                     ((content[0] == 0x00 && content[1] < 0x80) || (content[0] == 0xff && content[1] >= 0x80))
                 ? "an INTEGER not in its shortest form"
                 : "";
    case der::kBitString:
      if (content.empty() || content[0] > 7 || (content.size() == 1 && content[0] != 0))
        return "a malformed BIT STRING";
      return content.size() > 1 && (content.back() & ((1u << content[0]) - 1)) != 0
                 ? "a BIT STRING whose unused bits are not 0 (11.2.1)"
                 : "";
    case der::kNull: return content.empty() ? "" : "a NULL with octets";
    case der::kOid: return der::OidText(content).ok() ? "" : "a malformed OBJECT IDENTIFIER";
    default: return "";
  }
}

class Walk {
 public:
  explicit Walk(Findings& findings) : findings_(findings) {}

  // Returns false once there is nothing more to say.
  bool Into(ByteView octets, int depth) {
    if (depth > kDeepest) return Fail("it is nested too deeply");
    for (der::Reader reader(octets); !reader.empty();) {
      const StatusOr<der::Element> element = reader.Next();
      if (!element.ok()) return Fail(Message(element.status()));
      if (!One(*element, depth)) return false;
    }
    return true;
  }

 private:
  bool One(const der::Element& element, int depth) {
    const bool constructed = (element.tag & 0x20) != 0;
    if (!constructed) {
      std::string fault = PrimitiveFault(element);
      return fault.empty() || Fail(std::move(fault));
    }
    if (IsString(element.tag & 0xdf)) return Fail("a string in constructed form (10.2)");
    if (element.tag == der::kSet) CheckOrder(element.content);
    return Into(element.content, depth + 1);
  }

  void CheckOrder(ByteView content) {
    ByteView before;
    for (der::Reader reader(content); !reader.empty();) {
      const StatusOr<der::Element> element = reader.Next();
      if (!element.ok()) return;
      if (!before.empty() &&
          std::lexicographical_compare(element->whole.begin(), element->whole.end(), before.begin(), before.end())) {
        return findings_.Add(kSetOrder, "the elements of a SET are not in ascending order");
      }
      before = element->whole;
    }
  }

  bool Fail(std::string what) {
    findings_.Add(kDer, "not DER: " + what);
    return false;
  }

  Findings& findings_;
};

}  // namespace

void CheckDer(ByteView certificate, Findings& findings) { Walk(findings).Into(certificate, 0); }

// critical BOOLEAN DEFAULT FALSE, version DEFAULT v1: what a reader of values does not see.
void CheckDefaults(const Examined& c, Findings& findings) {
  for (const ExtensionView& extension : c.extensions) {
    Walk(findings).Into(extension.value, 0);
  }
  der::Reader tbs(der::Reader(c.whole).Content(der::kSequence).value_or(ByteView()));
  const StatusOr<ByteView> content = tbs.Content(der::kSequence);
  if (!content.ok()) return;
  der::Reader fields(*content);
  if (fields.tag() == der::ContextConstructed(0) && c.version == 1) {
    findings.Add(kDefault, "version v1 is the default and is left out");
  }
}

std::vector<LintRule> DerRules() { return {kDer, kDefault, kSetOrder}; }

}  // namespace hallmark::lint
