#include "ca/serial.h"

namespace hallmark {

StatusOr<Bytes> NewSerial() {
  constexpr size_t kOctets = 16;
  ASSIGN_OR_RETURN(Bytes serial, RandomBytes(kOctets));
  serial[0] = (serial[0] & 0x3f) | 0x40;
  return serial;
}

}  // namespace hallmark
