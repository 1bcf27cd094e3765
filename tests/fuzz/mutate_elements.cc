#include <algorithm>
#include <array>
#include <optional>

#include "ca/der.h"
#include "ca/extensions.h"
#include "ca/names.h"
#include "tests/fuzz/mutation.h"

namespace hallmark::fuzz {
namespace {

constexpr int kDeepest = 24;

// An element taken apart, also what a string encapsulates.
struct Node {
  uint8_t tag = 0;
  Bytes before;             // of a BIT STRING: its octet of unused bits
  Bytes content;            // of a leaf
  std::vector<Node> nodes;  // of anything else
};

std::optional<std::vector<Node>> Parse(ByteView der, int depth) {
  std::vector<Node> nodes;
  for (der::Reader reader(der); !reader.empty();) {
    const StatusOr<der::Element> element = reader.Next();
    if (!element.ok()) return std::nullopt;
    Node node{element->tag, {}, ToBytes(element->content), {}};
    ByteView inside = element->content;
    const bool bit_string = node.tag == der::kBitString && !inside.empty() && inside[0] == 0;
    if (bit_string) inside = inside.subspan(1);
    if (depth < kDeepest && !inside.empty() &&
        (bit_string || node.tag == der::kOctetString || (node.tag & 0x20) != 0)) {
      if (std::optional<std::vector<Node>> children = Parse(inside, depth + 1)) {
        node.nodes = *std::move(children);
        node.content.clear();
        if (bit_string) node.before = {0};
      }
    }
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Bytes Encode(const std::vector<Node>& nodes) {
  Bytes der;
  for (const Node& node : nodes)
    Append(der, der::Constructed(node.tag, {node.before, node.content, Encode(node.nodes)}));
  return der;
}

// Where an element stands.
struct Place {
  std::vector<Node>* siblings;
  size_t index;
  Node& node() const { return (*siblings)[index]; }
  std::vector<Node>::iterator position() const { return siblings->begin() + static_cast<std::ptrdiff_t>(index); }
};

void Collect(std::vector<Node>& nodes, std::vector<Place>& places) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    places.push_back({&nodes, i});
    Collect(nodes[i].nodes, places);
  }
}

// Elements worth meeting anywhere: what a CSR may ask for and must not get, and forms on the edge of what DER allows.
const std::vector<Bytes>& Fragments() {
  static const auto& fragments = *new std::vector<Bytes>([] {
    const auto rdn = [](uint8_t tag, const std::string& value) {
      return der::Constructed(der::kSet, {der::Sequence({der::Oid("2.5.4.3"), der::Tlv(tag, AsBytes(value))})});
    };
    const Bytes names = der::Sequence({der::Tlv(der::ContextPrimitive(2), AsBytes("a.example")),
                                       der::Tlv(der::ContextPrimitive(7), Bytes{10, 0, 0, 1}),
                                       der::Tlv(der::ContextPrimitive(6), AsBytes("hallmark://test/operator/one"))});
    const Bytes extension_request = der::Sequence(
        {der::Oid(oid::kExtensionRequest), der::Constructed(der::kSet, {der::Sequence({BasicConstraints(true, 0)})})});
    return std::vector<Bytes>{
        BasicConstraints(true, std::nullopt),
        BasicConstraints(false, std::nullopt),
        KeyUsageExtension({KeyUsage::kDigitalSignature}),
        KeyUsageExtension({KeyUsage::kKeyCertSign, KeyUsage::kCrlSign}),
        ExtendedKeyUsage({"1.3.6.1.5.5.7.3.2"}),
        ExtendedKeyUsage({"2.5.29.37.0"}),
        SubjectAltName(names, false),
        CrlNumber(1),
        extension_request,
        rdn(der::kUtf8String, "device-2"),
        rdn(der::kIa5String, "a@b"),
        rdn(0x1e, std::string("\0a", 2)),
        rdn(der::kUtf8String, "a\nb"),
        EncodeName({{"O", "Example"}, {"OU", "Line 1"}, {"serialNumber", "SN-1"}, {"CN", "device-3"}}),
        Bytes{0x05, 0x00},
        Bytes{0x01, 0x01, 0xff},
        Bytes{0x01, 0x01, 0x01},
        Bytes{0x02, 0x01, 0xff},
        Bytes{0x02, 0x02, 0x00, 0x01},
        Bytes{0x02, 0x00},
        Bytes{0x06, 0x02, 0x80, 0x01},
        Bytes{0x03, 0x01, 0x07},
        Bytes{0x30, 0x00},
        Bytes{0x31, 0x00},
        der::EncodeTime(absl::FromUnixSeconds(0)),
        der::EncodeTime(absl::FromUnixSeconds(4102444800)),
        der::Oid("1.2.840.10045.4.3.4")};
  }());
  return fragments;
}

void ChangeOnce(std::vector<Node>& nodes, Random& random) {
  constexpr std::array<uint8_t, 16> kTags = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13,
                                             0x16, 0x17, 0x18, 0x1e, 0x30, 0x31, 0xa0, 0x82};
  std::vector<Place> places;
  Collect(nodes, places);
  if (places.empty()) return;
  const Place place = places[random() % places.size()];
  const Node other = places[random() % places.size()].node();  // a copy: the places move
  switch (random() % 9) {
    case 0: place.node().tag = kTags[random() % kTags.size()]; break;
    case 1: place.siblings->erase(place.position()); break;
    case 2: place.siblings->insert(place.position(), Node(place.node())); break;
    case 3: place.siblings->insert(place.position(), other); break;
    case 4: place.node() = other; break;
    case 5: std::swap(place.node(), place.siblings->at(random() % place.siblings->size())); break;
    case 6: {
      const Bytes& fragment = Fragments()[random() % Fragments().size()];
      std::vector<Node> parsed = Parse(fragment, 0).value_or(std::vector<Node>());
      place.siblings->insert(place.position(), parsed.begin(), parsed.end());
      break;
    }
    case 7: {
      Node wrapped{kTags[random() % kTags.size()], {}, {}, {place.node()}};
      place.node() = std::move(wrapped);
      break;
    }
    default: place.node().content = MutateOctets(place.node().content, {}, random);
  }
}

}  // namespace

Bytes MutateElements(ByteView der, Random& random) {
  std::optional<std::vector<Node>> nodes = Parse(der, 0);
  if (!nodes.has_value()) return ToBytes(der);
  for (size_t changes = 1 + random() % 4; changes > 0; --changes) ChangeOnce(*nodes, random);
  return Encode(*nodes);
}

}  // namespace hallmark::fuzz
