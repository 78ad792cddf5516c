// A process of this very program, with a pipe each way.
//
//   Child echo({program, "serve"});
//   std::string address = echo.ReadLine();
//
//   if (address.empty()) std::cerr << echo.Wait().message();
//
// Ownership: the destructor closes the pipes, which is what every child ends
// on, and waits for it.
// Thread safety: none. Errors: a child that could not be started, or is gone,
// answers empty lines, and Wait() says what became of it. To write to one that
// is gone must not end this process, so the first child makes that ignore
// SIGPIPE; the children do not.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_CHILD_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_CHILD_H_

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"

namespace firebreak::bench {

class Child {
 public:
  explicit Child(const std::vector<std::string>& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void WriteLine(const std::string& line);
  std::string ReadLine();
  // Exactly `count` values; fewer when the child is gone.
  std::vector<int64_t> ReadValues(size_t count);
  // Closes its input, and waits until it has ended. INTERNAL unless it ended
  // well: "`worker --variant=noop` was killed by signal 11 (Segmentation
  // fault)".
  absl::Status Wait();
  // The same for one that has not said what it had to: never OK.
  absl::Status WhyGone();

 private:
  const std::string name_;  // its command, without the program
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
  absl::optional<int> ended_;  // as waitpid() has it
};

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_CHILD_H_
