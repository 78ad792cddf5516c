// A child process, mostly of this program, with a pipe in each direction.
//
//   Child echo({program, "serve"});
//   std::string address = echo.ReadLine();
//
//   if (address.empty()) std::cerr << echo.WhyGone().message();
//
// Ownership: the destructor closes the child's input, at whose end every child
// ends, and waits for it.
// Thread safety: none. Errors: a child that could not be started, or is gone,
// answers empty lines, and Wait() says what became of it. A write to a child
// that is gone must not end this process, so from the first child on this
// process ignores SIGPIPE. The children do not.
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
  // Returns exactly `count` values, or fewer if the child is gone.
  std::vector<int64_t> ReadValues(size_t count);
  // Closes its input, and waits until it has ended. Returns INTERNAL if it did
  // not end well: "`worker --variant=noop` was killed by signal 11
  // (Segmentation fault)".
  absl::Status Wait();
  // The same for a child that did not print all that it had to: never OK.
  absl::Status WhyGone();

 private:
  const std::string name_;  // its command, without the program
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
  absl::optional<int> ended_;  // the status from waitpid()
};

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_CHILD_H_
