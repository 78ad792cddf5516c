// A process of this very program, with a pipe each way.
//
//   Child echo({program, "serve"});
//   std::string address = echo.ReadLine();
//
// Ownership: the destructor closes the pipes, which is what every child ends
// on, and waits for it.
// Thread safety: none. Errors: a child that could not be started, or is gone,
// answers empty lines.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_CHILD_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_CHILD_H_

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

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

 private:
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_CHILD_H_
