#include "hsm/cryptoki.h"

namespace hallmark {
namespace {

bool IsSessionLoss(CK_RV rv) { return rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED; }

}  // namespace

CK_RV FindObjects(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session, std::span<CK_ATTRIBUTE> wanted,
                  std::vector<CK_OBJECT_HANDLE>& found) {
  found.clear();
  CK_RV rv = functions.C_FindObjectsInit(session, wanted.data(), wanted.size());
  if (rv != CKR_OK) return rv;
  CK_OBJECT_HANDLE batch[64];
  CK_ULONG count = 0;
  do {
    rv = functions.C_FindObjects(session, batch, std::size(batch), &count);
    if (rv == CKR_OK) found.insert(found.end(), batch, batch + count);
  } while (rv == CKR_OK && count > 0);
  if (IsSessionLoss(rv)) return rv;  // nothing is left to end
  const CK_RV final_rv = functions.C_FindObjectsFinal(session);
  return rv == CKR_OK || IsSessionLoss(final_rv) ? final_rv : rv;
}

CK_RV ReadAttribute(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                    CK_ATTRIBUTE_TYPE type, Bytes& value) {
  CK_ATTRIBUTE attribute = {type, nullptr, 0};
  CK_RV rv = functions.C_GetAttributeValue(session, object, &attribute, 1);
  if (rv != CKR_OK) return rv;
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) return CKR_ATTRIBUTE_TYPE_INVALID;
  value.resize(attribute.ulValueLen);
  if (value.empty()) return CKR_OK;
  attribute.pValue = value.data();
  rv = functions.C_GetAttributeValue(session, object, &attribute, 1);
  if (rv == CKR_OK) value.resize(attribute.ulValueLen);
  return rv;
}

}  // namespace hallmark
