// What an examination (hallmark doctor) says of one part of an instance: for people, and for programs by part and
// verdict.
#pragma once

#include <string>

namespace hallmark {

enum class Judgement { kGood, kWarning, kBad };

struct Examined {
  std::string part;  // "module", "token", "clock"...
  Judgement verdict = Judgement::kGood;
  std::string finding;  // what was found
  std::string advice;   // what to do about it; empty when good
};

}  // namespace hallmark
