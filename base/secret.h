// A secret in memory (a PIN, a private key's PEM): cleansed when it dies, never printed, never compared by accident.
#pragma once

#include <openssl/crypto.h>

#include <string>
#include <string_view>
#include <utility>

namespace hallmark {

// Move-only. A moved-from Secret is empty.
class Secret {
 public:
  Secret() = default;
  // Takes the text over and cleanses the string that it came in.
  explicit Secret(std::string&& text) : text_(text) { OPENSSL_cleanse(text.data(), text.size()); }
  // Copies and cleanses: moving a short string leaves its octets behind.
  Secret(Secret&& other) noexcept : text_(other.text_) {  // NOLINT(performance-move-constructor-init,cert-oop11-cpp)
    other.Cleanse();
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      Cleanse();
      text_ = other.text_;
      other.Cleanse();
    }
    return *this;
  }
  ~Secret() { Cleanse(); }
  Secret Copy() const { return Secret(std::string(text_)); }

  bool empty() const { return text_.empty(); }
  size_t size() const { return text_.size(); }
  // Borrowed: for the one call that needs it.
  std::string_view Reveal() const { return text_; }

 private:
  void Cleanse() {
    OPENSSL_cleanse(text_.data(), text_.size());
    text_.clear();
  }
  std::string text_;
};

}  // namespace hallmark
