// The stable reasons of Hallmark's errors: google.rpc.ErrorInfo.reason in the domain "hallmark", one list. A reason
// is never renamed and never reused for another meaning; programs branch on it, people read the message.
#pragma once

namespace hallmark::reason {

// Who asks.
inline constexpr char kCallerUnauthenticated[] = "CALLER_UNAUTHENTICATED";  // no certificate, or one that names nobody
inline constexpr char kCallerUnknown[] = "CALLER_UNKNOWN";                  // not a certificate that we issued
inline constexpr char kCallerRevoked[] = "CALLER_REVOKED";
inline constexpr char kCallerSuspended[] = "CALLER_SUSPENDED";  // until an operator resumes it
inline constexpr char kCallerExpired[] = "CALLER_EXPIRED";
inline constexpr char kPermissionDenied[] = "PERMISSION_DENIED";
inline constexpr char kRateLimited[] = "RATE_LIMITED";  // as often as roles.yaml allows; later again

// What is asked.
inline constexpr char kRequestInvalid[] = "REQUEST_INVALID";
inline constexpr char kRequestIdReused[] = "REQUEST_ID_REUSED";  // same id, other content
inline constexpr char kProfileUnknown[] = "PROFILE_UNKNOWN";
inline constexpr char kAuthorityUnknown[] = "AUTHORITY_UNKNOWN";
inline constexpr char kAuthorityExists[] = "AUTHORITY_EXISTS";
inline constexpr char kAuthorityNotIssuing[] = "AUTHORITY_NOT_ISSUING";  // DISABLED, REVOKED, or STAGED and not named
inline constexpr char kAuthorityChanged[] = "AUTHORITY_CHANGED";         // by another, since it was read
inline constexpr char kChainInvalid[] = "CHAIN_INVALID";                 // an authority's certificate or one above it
inline constexpr char kCertificateUnknown[] = "CERTIFICATE_UNKNOWN";
inline constexpr char kRevokedForEver[] = "REVOKED_FOR_EVER";  // and cannot be put on hold
inline constexpr char kNotOnHold[] = "NOT_ON_HOLD";
inline constexpr char kRevocationProofInvalid[] = "REVOCATION_PROOF_INVALID";
inline constexpr char kKeyCompromised[] = "KEY_COMPROMISED";  // once, and certified no more
inline constexpr char kCrlUnknown[] = "CRL_UNKNOWN";
inline constexpr char kCrlInvalid[] = "CRL_INVALID";                // one that was made elsewhere
inline constexpr char kCrlOlder[] = "CRL_OLDER";                    // than the one there is
inline constexpr char kCrlOfAnother[] = "CRL_OF_ANOTHER";           // issuer, under the same name
inline constexpr char kRevocationUnknown[] = "REVOCATION_UNKNOWN";  // of many certificates
inline constexpr char kRevocationChanged[] = "REVOCATION_CHANGED";  // since it was read

// The certification request.
inline constexpr char kCsrTooLarge[] = "CSR_TOO_LARGE";
inline constexpr char kCsrMalformed[] = "CSR_MALFORMED";
inline constexpr char kCsrSignatureInvalid[] = "CSR_SIGNATURE_INVALID";
inline constexpr char kCsrAlgorithmUnsupported[] = "CSR_ALGORITHM_UNSUPPORTED";
inline constexpr char kKeyUnsupported[] = "KEY_UNSUPPORTED";  // algorithm, curve or parameters that nobody may use
inline constexpr char kKeyWeak[] = "KEY_WEAK";                // no key, or one that others can have, too

// The profile's verdict.
inline constexpr char kKeyNotAllowed[] = "KEY_NOT_ALLOWED";
inline constexpr char kSubjectNotAllowed[] = "SUBJECT_NOT_ALLOWED";
inline constexpr char kExtensionNotAllowed[] = "EXTENSION_NOT_ALLOWED";
inline constexpr char kValidityNotAllowed[] = "VALIDITY_NOT_ALLOWED";
inline constexpr char kKeyCertifiedForAnother[] = "KEY_CERTIFIED_FOR_ANOTHER";  // another subject has it
inline constexpr char kSubjectDiffersByCase[] = "SUBJECT_DIFFERS_BY_CASE";      // from one that is on record
inline constexpr char kLintFailed[] = "LINT_FAILED";

// The factory.
inline constexpr char kManufacturerUnknown[] = "MANUFACTURER_UNKNOWN";
inline constexpr char kManufacturerExists[] = "MANUFACTURER_EXISTS";
inline constexpr char kManufacturerChanged[] = "MANUFACTURER_CHANGED";  // by another, since it was read
inline constexpr char kManufacturerSuspended[] = "MANUFACTURER_SUSPENDED";
inline constexpr char kManifestTooLarge[] = "MANIFEST_TOO_LARGE";
inline constexpr char kManifestInvalid[] = "MANIFEST_INVALID";
inline constexpr char kManifestSignatureInvalid[] = "MANIFEST_SIGNATURE_INVALID";  // or not of that manufacturer
inline constexpr char kLotUnknown[] = "LOT_UNKNOWN";
inline constexpr char kLotRequired[] = "LOT_REQUIRED";       // the profile certifies devices of lots only
inline constexpr char kLotNotAllowed[] = "LOT_NOT_ALLOWED";  // the profile has nothing to do with lots
inline constexpr char kLotChanged[] = "LOT_CHANGED";  // other content under the same revision, or a revision left out
inline constexpr char kLotBeingImported[] = "LOT_BEING_IMPORTED";
inline constexpr char kLotClosed[] = "LOT_CLOSED";
inline constexpr char kLotNotYetOpen[] = "LOT_NOT_YET_OPEN";   // before its window
inline constexpr char kLotExpired[] = "LOT_EXPIRED";           // after its window
inline constexpr char kLotTermsDiffer[] = "LOT_TERMS_DIFFER";  // another profile or authority than the lot's
inline constexpr char kLotQuantityReached[] = "LOT_QUANTITY_REACHED";
inline constexpr char kStationQuantityReached[] = "STATION_QUANTITY_REACHED";
inline constexpr char kStationNotInLot[] = "STATION_NOT_IN_LOT";
inline constexpr char kDeviceUnknown[] = "DEVICE_UNKNOWN";      // not announced in its lot
inline constexpr char kDeviceAnnounced[] = "DEVICE_ANNOUNCED";  // already
inline constexpr char kDeviceClaimed[] = "DEVICE_CLAIMED";      // it has or gets a certificate; a further is a reissue
inline constexpr char kDeviceWithdrawn[] = "DEVICE_WITHDRAWN";
inline constexpr char kDeviceKeyDiffers[] = "DEVICE_KEY_DIFFERS";    // from the one that was announced
inline constexpr char kDeviceNameDiffers[] = "DEVICE_NAME_DIFFERS";  // the CSR names another device
inline constexpr char kDeviceNotIssued[] = "DEVICE_NOT_ISSUED";
inline constexpr char kReissueNotAllowed[] = "REISSUE_NOT_ALLOWED";
inline constexpr char kInstallationProofInvalid[] = "INSTALLATION_PROOF_INVALID";
inline constexpr char kBundleInvalid[] = "BUNDLE_INVALID";  // of requests from a line without a network
inline constexpr char kBundleTooLarge[] = "BUNDLE_TOO_LARGE";

// Publication.
inline constexpr char kTargetUnreachable[] = "TARGET_UNREACHABLE";  // no answer, or one that asks to come again
inline constexpr char kTargetUntrusted[] = "TARGET_UNTRUSTED";      // its certificate; nothing was sent to it
inline constexpr char kTargetAnswerTooLarge[] = "TARGET_ANSWER_TOO_LARGE";
inline constexpr char kTargetAnswerInvalid[] = "TARGET_ANSWER_INVALID";          // not what its contract says
inline constexpr char kTargetCredentialMissing[] = "TARGET_CREDENTIAL_MISSING";  // or its key cannot sign
inline constexpr char kTargetCredentialRefused[] = "TARGET_CREDENTIAL_REFUSED";
inline constexpr char kTargetUnavailable[] = "TARGET_UNAVAILABLE";   // it answers that it cannot, now
inline constexpr char kTargetThrottled[] = "TARGET_THROTTLED";       // it asks for fewer calls
inline constexpr char kTargetBudgetSpent[] = "TARGET_BUDGET_SPENT";  // as many calls as we allow ourselves
inline constexpr char kTargetConflict[] = "TARGET_CONFLICT";         // changed by another since it was read
inline constexpr char kTargetRefused[] = "TARGET_REFUSED";           // it calls what we sent wrong
inline constexpr char kTargetObjectUnknown[] = "TARGET_OBJECT_UNKNOWN";
inline constexpr char kTargetNotTried[] = "TARGET_NOT_TRIED";    // since something before it failed
inline constexpr char kTargetHubFailed[] = "TARGET_HUB_FAILED";  // one of the hubs that it assigns devices to
inline constexpr char kTargetUnknown[] = "TARGET_UNKNOWN";
inline constexpr char kTargetExists[] = "TARGET_EXISTS";
inline constexpr char kTargetChanged[] = "TARGET_CHANGED";  // by another, since it was read
inline constexpr char kTargetInvalid[] = "TARGET_INVALID";  // its description
inline constexpr char kTargetBusy[] = "TARGET_BUSY";      // changes wait, devices are kept out there, it is reconciled
inline constexpr char kTargetCannot[] = "TARGET_CANNOT";  // it is of a kind that has no such thing
inline constexpr char kPublicationObstructed[] = "PUBLICATION_OBSTRUCTED";  // until a person has done something
inline constexpr char kPublicationConflict[] = "PUBLICATION_CONFLICT";      // with what somebody else has set
inline constexpr char kPossessionNotProven[] = "POSSESSION_NOT_PROVEN";

// The parts below.
inline constexpr char kHsmUnavailable[] = "HSM_UNAVAILABLE";
inline constexpr char kHsmPinIncorrect[] = "HSM_PIN_INCORRECT";
inline constexpr char kHsmTokenNotFound[] = "HSM_TOKEN_NOT_FOUND";
inline constexpr char kHsmKeyNotFound[] = "HSM_KEY_NOT_FOUND";
inline constexpr char kHsmKeyUnsafe[] = "HSM_KEY_UNSAFE";  // extractable, not sensitive, or otherwise not as generated
inline constexpr char kHsmKeyMismatch[] = "HSM_KEY_MISMATCH";  // another key than the certificate's
inline constexpr char kHsmRefused[] = "HSM_REFUSED";           // the token said no and a retry will not help
inline constexpr char kHsmSignatureInvalid[] = "HSM_SIGNATURE_INVALID";
inline constexpr char kStoreUnavailable[] = "STORE_UNAVAILABLE";
inline constexpr char kStoreNewerSchema[] = "STORE_NEWER_SCHEMA";
inline constexpr char kStoreCorrupt[] = "STORE_CORRUPT";
inline constexpr char kStoreSerialCollision[] = "STORE_SERIAL_COLLISION";
inline constexpr char kConfigurationInvalid[] = "CONFIGURATION_INVALID";
inline constexpr char kFileUnreadable[] = "FILE_UNREADABLE";
inline constexpr char kCommandLineInvalid[] = "COMMAND_LINE_INVALID";  // of the command-line tools
inline constexpr char kServiceUnreachable[] = "SERVICE_UNREACHABLE";   // a client's: no connection, or a broken one
inline constexpr char kTranscriptInvalid[] = "TRANSCRIPT_INVALID";     // of a ceremony: changed, or not proven
inline constexpr char kShuttingDown[] = "SHUTTING_DOWN";
inline constexpr char kDeadlineExceeded[] = "DEADLINE_EXCEEDED";
inline constexpr char kInternal[] = "INTERNAL";  // a defect of Hallmark itself

}  // namespace hallmark::reason
