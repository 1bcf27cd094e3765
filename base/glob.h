// Names with *.
#pragma once

#include <string_view>

namespace hallmark {

// Whether `text` is what `glob` says: a * in it stands for any characters but '/', perhaps none. In linear time but
// for the number of stars.
inline bool MatchesGlob(std::string_view glob, std::string_view text) {
  size_t at = 0;
  size_t star = glob.npos;  // the last one passed, and where its text ends
  size_t covered = 0;
  for (size_t i = 0; i < text.size();) {
    if (at < glob.size() && glob[at] == '*') {
      star = at++;
      covered = i;
    } else if (at < glob.size() && glob[at] == text[i]) {
      ++at;
      ++i;
    } else if (star != glob.npos && text[covered] != '/') {
      at = star + 1;
      i = ++covered;
    } else {
      return false;
    }
  }
  while (at < glob.size() && glob[at] == '*') ++at;
  return at == glob.size();
}

}  // namespace hallmark
