// Runs one study: studies_bench storm|fanout|deadlines FOLDER
#include <cstdio>
#include <string>

#include "tests/bench/studies/report.h"

int main(int argc, char** argv) {
  using namespace firebreak::studies;  // NOLINT(google-build-using-namespace)
  const std::string name = argc > 1 ? argv[1] : "";
  const std::string folder = argc > 2 ? argv[2] : ".";
  bool written = false;
  if (name == "storm") {
    written = ReportStorm(folder);
  } else if (name == "fanout") {
    written = ReportFanout(folder);
  } else if (name == "deadlines") {
    written = ReportDeadlines(folder);
  } else {
    std::fprintf(stderr, "usage: %s storm|fanout|deadlines [FOLDER]\n",
                 argv[0]);
    return 2;
  }
  if (!written) {
    std::fprintf(stderr, "%s: cannot write into %s\n", argv[0], folder.c_str());
  }
  return written ? 0 : 1;
}
