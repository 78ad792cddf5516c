// Opens a file to read, or standard input for "-".
//
//   std::ifstream file;
//   absl::StatusOr<std::istream*> in = OpenInput(path, &file);
//   if (!in.ok()) return in.status();
//
// NOT_FOUND, with the path, if it cannot be opened.
//
// Thread safety: none. Ownership: the result is `file` or std::cin.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_ASK_INPUT_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_ASK_INPUT_H_

#include <fstream>
#include <iostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace firebreak::ctl {

inline absl::StatusOr<std::istream*> OpenInput(const std::string& path,
                                               std::ifstream* file) {
  if (path == "-") return &std::cin;
  file->open(path, std::ios::binary);
  if (!*file) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  }
  return file;
}

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_ASK_INPUT_H_
