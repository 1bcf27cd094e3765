// A profile that uses what no shipped one does: every source of values, every encoding of extensions, and extensions
// that pass from the CSR.
#pragma once

namespace hallmark::fuzz {

inline constexpr char kEverythingProfile[] = R"yaml(
description: Everything at once
keys: [ec-p256, ec-p384, rsa-2048]
subject:
  - {type: O, value: "Example {realm}"}
  - {type: OU, value: "{caller.role} {caller.name}"}
  - {type: serialNumber, pattern: "[A-Z0-9-]+"}
  - {type: CN, value: "device {csr.serialNumber} {{"}
  - {type: 1.3.6.1.4.1.32473.1, value: "{csr.CN}", required: false}
  - {type: DC, pattern: ".+", max_count: 2, required: false}
subject_alt_names:
  - {type: uri, value: "urn:example:{csr.serialNumber}"}
  - {type: dns, value: "{device.serial}.example.com"}
  - {type: dns, pattern: "[a-z.]+", max_count: 3, required: false}
  - {type: email, pattern: ".+", required: false}
  - {type: ip, pattern: ".+", max_count: 2, required: false}
  - {type: hardwareModuleName, pattern: ".+", max_length: 128, required: false}
validity: {lifetime: forever, max_lifetime: forever, backdate: 1h}
key_usage:
  rsa: [digitalSignature, keyEncipherment]
  ec: [digitalSignature, keyAgreement]
extended_key_usage: [serverAuth, clientAuth, 1.3.6.1.4.1.32473.2]
certificate_policies:
  - {oid: 1.3.6.1.4.1.32473.3}
  - {oid: 1.3.6.1.4.1.32473.4, cps: "https://example.com/cps"}
subject_key_identifier: sha1
extensions:
  - {oid: 1.3.6.1.4.1.32473.5.1, encoding: utf8, value: "{csr.CN}, {caller.uri}", max_length: 128, required: false}
  - {oid: 1.3.6.1.4.1.32473.5.2, encoding: printable, value: "{csr.serialNumber}"}
  - {oid: 1.3.6.1.4.1.32473.5.3, encoding: ia5, value: "{device.serial}"}
  - {oid: 1.3.6.1.4.1.32473.5.4, encoding: boolean, value: "true"}
  - {oid: 1.3.6.1.4.1.32473.5.5, encoding: integer, value: "-129"}
  - {oid: 1.3.6.1.4.1.32473.5.6, encoding: oid, value: 1.3.6.1.4.1.32473}
  - {oid: 1.3.6.1.4.1.32473.5.7, encoding: time, value: "2030-01-31T00:00:00Z"}
  - {oid: 1.3.6.1.4.1.32473.5.8, encoding: octets, value: 00ff}
  - {oid: 1.3.6.1.4.1.32473.5.9, encoding: "null"}
  - {oid: 1.3.6.1.4.1.32473.5.10, encoding: der, value: "3003020105"}
  - {oid: 1.3.6.1.4.1.32473.5.11, max_length: 64, required: false}
  - {oid: 1.3.6.1.4.1.32473.5.12, max_length: 64, required: false}
)yaml";

}  // namespace hallmark::fuzz
