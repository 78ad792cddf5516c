// Reports to ThreadSanitizer the happens-before edges of a gRPC that is not
// instrumented. It is linked only into the test programs of a TSan build, and
// no code calls it explicitly.
//
// Debian's gRPC, Abseil, Protobuf and libstdc++ are not instrumented. So TSan
// does not see their accesses, which is good, since they are not tested here.
// But it does not see how they order threads either, so a call that is handed
// to another thread looks like a race. The functions below take precedence over
// those of the same name in the shared libraries: they report the edge to TSan,
// and call the originals. The edges, each from what comes before the first to
// what comes after the second:
//
//   grpc_cq_begin_op(queue, tag)    Next, AsyncNext or Pluck returns the tag.
//                                   Every operation begins with it: batches,
//                                   alarms, watches, requests of a server.
//                                   What follows it is NOT ordered: code that
//                                   touches an object after it has started an
//                                   operation that may delete it is reported.
//   the same, callback API          the callback is entered
//   CompletionQueue::Shutdown       Next or AsyncNext returns SHUTDOWN
//   absl::Mutex::Unlock             absl::Mutex::Lock; and CondVar::Wait, which
//                                   does both. Only if they are called by the
//                                   program's own code (including gRPC's inline
//                                   functions) or by libgrpc++: TryCancel()
//                                   uses the lock of a ClientContext to find
//                                   the interceptors of a call that another
//                                   thread has begun.
//
// Some edges are not reported on purpose, since each would order nearly
// everything with nearly everything, and so hide races: locks inside libgrpc;
// sockets, pipes and epoll (io_sync=0), so a server's handler is not ordered
// with the call that it answers, even in one process; and TryCancel() with the
// end of the call that it causes. A test that hands plain data across those has
// to lock it.
//
// One edge is superfluous: if the address of a tag is used again without having
// been freed, the earlier use still orders what came before it.
//
// tsan_edges_test.cc tests each edge, once in order and once with a planted
// race.
//
// Thread safety: all of it is safe from any thread. It uses no instrumented
// access, lock or atomic, since those would order threads themselves: this file
// is built without TSan. Versions: tested with gRPC 1.51 as shared libraries.
// With static libraries the names would clash, but then all of gRPC could be
// built with TSan.
#include <absl/base/options.h>
#include <absl/synchronization/mutex.h>
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <link.h>
#include <sanitizer/tsan_interface.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// gRPC's core exports this function, but no installed header declares it.
bool grpc_cq_begin_op(grpc_completion_queue* queue, void* tag);

namespace {

// The addresses of the code of a program or library.
struct Code {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool has(const void* address) const {
    const auto at = reinterpret_cast<uintptr_t>(address);
    return at >= begin && at < end;
  }
};

// Returns the code of the program or library that has this function.
Code FindCode(const void* function) {
  Code code;
  code.begin = reinterpret_cast<uintptr_t>(function);
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto* const found = static_cast<Code*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& part = info->dlpi_phdr[i];
          const uintptr_t begin = info->dlpi_addr + part.p_vaddr;
          const uintptr_t end = begin + part.p_memsz;
          if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0 ||
              found->begin < begin || found->begin >= end) {
            continue;
          }
          *found = {begin, end};
          return 1;
        }
        return 0;
      },
      &code);
  return code;
}

// Set before main(). Until then there is one thread, and nothing to report.
Code g_program;
Code g_grpcpp;
__attribute__((constructor)) void FindAllCode() {
  g_program = FindCode(reinterpret_cast<const void*>(&FindCode));
  g_grpcpp = FindCode(dlsym(RTLD_NEXT, "_ZN4grpc13ClientContext9TryCancelEv"));
}

bool IsOwnCode(const void* address) { return g_program.has(address); }
bool IsToldOfLocks(const void* caller) {
  return g_program.has(caller) || g_grpcpp.has(caller);
}

#define FIREBREAK_STRING(x) #x
#define FIREBREAK_STRING_OF(x) FIREBREAK_STRING(x)
constexpr const char kAbslNamespace[] =
    FIREBREAK_STRING_OF(ABSL_OPTION_INLINE_NAMESPACE_NAME);

// The function of a shared library that one of these functions replaces. It is
// looked up when it is first needed, since other libraries use locks before
// main() and before constructors run.
template <class Function>
class Real {
 public:
  // The mangled name; %zu%s stands for the inline namespace of Abseil.
  constexpr explicit Real(const char* name) : name_(name) {}

  Function* get() {
    void* found = found_.load(std::memory_order_relaxed);
    if (found == nullptr) found = Find();
    return reinterpret_cast<Function*>(found);
  }

 private:
  void* Find() {
    std::array<char, 128> name{};
    std::snprintf(name.data(), name.size(), name_, sizeof(kAbslNamespace) - 1,
                  kAbslNamespace);
    void* const found = dlsym(RTLD_NEXT, name.data());
    if (found == nullptr) {
      std::fprintf(stderr, "edges.cc: no %s in a shared library\n",
                   name.data());
      std::abort();
    }
    found_.store(found, std::memory_order_relaxed);
    return found;
  }

  const char* const name_;
  std::atomic<void*> found_{nullptr};
};

// --- callbacks ---------------------------------------------------------------
// A tag of the callback API is a functor that gRPC calls. Its function is
// replaced by one of this file, which calls it. There are two kinds of
// functors, for unary and for other calls.

using Run = void(grpc_completion_queue_functor*, int);
constexpr size_t kKinds = 8;
std::array<std::atomic<Run*>, kKinds> g_runs{};

template <size_t kind>
void AcquireAndRun(grpc_completion_queue_functor* functor, int ok) {
  __tsan_acquire(functor);
  g_runs[kind].load(std::memory_order_relaxed)(functor, ok);
}

constexpr std::array<Run*, kKinds> kAcquireAndRun = {
    AcquireAndRun<0>, AcquireAndRun<1>, AcquireAndRun<2>, AcquireAndRun<3>,
    AcquireAndRun<4>, AcquireAndRun<5>, AcquireAndRun<6>, AcquireAndRun<7>};

Run* WithAcquire(Run* run) {
  for (Run* known : kAcquireAndRun) {
    if (run == known) return run;  // a functor that is used again
  }
  for (size_t kind = 0; kind < kKinds; ++kind) {
    Run* there = nullptr;
    if (g_runs[kind].compare_exchange_strong(there, run) || there == run) {
      return kAcquireAndRun[kind];
    }
  }
  std::fprintf(stderr, "edges.cc: more than %zu kinds of callbacks\n", kKinds);
  std::abort();
}

// A functor begins with a pointer to code; the other tags of gRPC's C++ layer
// are objects that begin with one to a virtual table, which is data.
void WatchCallback(void* tag) {
  auto* const functor = static_cast<grpc_completion_queue_functor*>(tag);
  if (IsOwnCode(reinterpret_cast<const void*>(functor->functor_run))) {
    functor->functor_run = WithAcquire(functor->functor_run);
  }
}

Real<bool(grpc_completion_queue*, void*)> real_begin(
    "_Z16grpc_cq_begin_opP21grpc_completion_queuePv");
Real<grpc_event(grpc_completion_queue*, gpr_timespec, void*)> real_next(
    "grpc_completion_queue_next");
Real<grpc_event(grpc_completion_queue*, void*, gpr_timespec, void*)> real_pluck(
    "grpc_completion_queue_pluck");
Real<void(grpc_completion_queue*)> real_shutdown(
    "grpc_completion_queue_shutdown");

void Acquire(grpc_completion_queue* queue, const grpc_event& event) {
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  if (event.type == GRPC_QUEUE_SHUTDOWN) __tsan_acquire(queue);
}

}  // namespace

// --- completion queues -------------------------------------------------------

bool grpc_cq_begin_op(grpc_completion_queue* queue, void* tag) {
  WatchCallback(tag);
  __tsan_release(tag);
  return real_begin.get()(queue, tag);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue,
                                      gpr_timespec deadline, void* reserved) {
  const grpc_event event = real_next.get()(queue, deadline, reserved);
  Acquire(queue, event);
  return event;
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag,
                                       gpr_timespec deadline, void* reserved) {
  const grpc_event event = real_pluck.get()(queue, tag, deadline, reserved);
  Acquire(queue, event);
  return event;
}

void grpc_completion_queue_shutdown(grpc_completion_queue* queue) {
  __tsan_release(queue);
  real_shutdown.get()(queue);
}

// --- absl::Mutex -------------------------------------------------------------

namespace {

Real<void(absl::Mutex*)> real_lock("_ZN4absl%zu%s5Mutex4LockEv");
Real<void(absl::Mutex*)> real_unlock("_ZN4absl%zu%s5Mutex6UnlockEv");
Real<void(absl::CondVar*, absl::Mutex*)> real_wait(
    "_ZN4absl%zu%s7CondVar4WaitEPNS0_5MutexE");

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  const bool tell = IsToldOfLocks(__builtin_return_address(0));
  real_lock.get()(this);
  if (tell) __tsan_acquire(this);
}

void Mutex::Unlock() {
  if (IsToldOfLocks(__builtin_return_address(0))) __tsan_release(this);
  real_unlock.get()(this);
}

void CondVar::Wait(Mutex* mu) {
  const bool tell = IsToldOfLocks(__builtin_return_address(0));
  if (tell) __tsan_release(mu);
  real_wait.get()(this, mu);
  if (tell) __tsan_acquire(mu);
}

ABSL_NAMESPACE_END
}  // namespace absl

// --- how TSan runs -----------------------------------------------------------
// The options are here and not in the environment, so that they also apply to a
// program that is started by hand. TSAN_OPTIONS can override them.

extern "C" const char* __tsan_default_options() {
  // Accesses by TSan's interceptors (memcpy, free) on behalf of code that is
  // not instrumented are ignored. File descriptors make no edges, see above.
  // gRPC ends its timer's threads in the background, and a program may end
  // before gRPC has joined the last one.
  return "report_thread_leaks=0:ignore_noninstrumented_modules=1:io_sync=0:"
         "second_deadlock_stack=1";
}

// Each suppression has its reason.
extern "C" const char* __tsan_default_suppressions() {
  return
      // gRPC's executor calls OnDone() and OnCancel() of a server's reactor, on
      // a thread that no reported edge orders with the one that finished the
      // call. Tests use servers, but do not test them.
      "race:::ServerCallbackUnaryImpl::\n"
      "race:grpc::Server::CallbackRequest<\n"
      "race:tests/support/fault_server.cc\n"
      "race:testing::HealthService::Reactor::\n"
      "race:testing::RawServer::Service::Reactor::\n"
      // The same holds for OnDone() of a client's stream, which in these tests
      // only notifies the test.
      "race:TellOfTheStreamsEnd\n"
      // The last reference to a channel may go inside of gRPC, which counts
      // them without a reported edge. Whoever uses a channel later than that is
      // found by ASan.
      "race:firebreak::interceptors::Factory::~Factory\n";
}
