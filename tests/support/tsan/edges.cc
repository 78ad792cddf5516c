// Tells ThreadSanitizer what a gRPC that is not built with it orders. Linked
// into the test programs of a TSan build, into nothing else; nobody calls it.
//
// Debian's gRPC, Abseil, Protobuf and libstdc++ are not instrumented, so TSan
// sees neither their accesses (good: not ours to judge) nor what they order
// (bad: a call handed to another thread looks like a race). The functions below
// stand before those of the same name in the shared libraries, tell TSan, and
// call them. The edges, from what came before the first to what comes after the
// second:
//
//   grpc_cq_begin_op(queue, tag)    Next, AsyncNext or Pluck returns the tag.
//                                   Every operation begins with it: batches,
//                                   alarms, watches, requests of a server.
//                                   What follows it is NOT ordered: whoever
//                                   touches an object after it has set off an
//                                   operation that may delete it is reported.
//   the same, callback API          the callback is entered
//   CompletionQueue::Shutdown       Next or AsyncNext says SHUTDOWN
//   absl::Mutex::Unlock             absl::Mutex::Lock; and CondVar::Wait, which
//                                   does both. Only where the program's own
//                                   code calls them (gRPC's inline functions
//                                   among it), or libgrpc++: by a
//                                   ClientContext's lock TryCancel() finds the
//                                   interceptors of a call that another thread
//                                   has begun.
//
// Not told, on purpose, since each would order nearly everything with nearly
// everything, and so hide what is looked for: locks inside of libgrpc; sockets,
// pipes and epoll (io_sync=0), so a server's handler is not ordered with the
// call that it answers, even in one process; TryCancel() and the end that it
// brings about. A test that hands plain data across those has to lock it.
//
// An edge too many: a tag's address that was used before, without having been
// freed in between, still orders what came before that earlier use.
//
// Proved by tsan_edges_test.cc: each edge ordered and, planted, racy.
//
// Thread safety: all of it, and without one instrumented access, lock or
// atomic, which would themselves order threads: this file is built without
// TSan. Versions: looked at with gRPC 1.51 as shared libraries. Linked
// statically the names would clash, and TSan could be had everywhere anyway.
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

// Of gRPC's core, exported, in no installed header.
bool grpc_cq_begin_op(grpc_completion_queue* queue, void* tag);

namespace {

// Where the code of a program or library lies.
struct Code {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool has(const void* address) const {
    const auto at = reinterpret_cast<uintptr_t>(address);
    return at >= begin && at < end;
  }
};

// Of the program or library that this function of it is in.
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

// Not before main(): until then there is one thread, and nothing to tell.
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

// The function of a shared library that one of ours stands before. Found when
// first needed: other libraries lock before main() and before constructors.
template <class Function>
class Real {
 public:
  // As the linker has it; %zu%s stands for the inline namespace of Abseil.
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
// A tag of the callback API is a functor that gRPC calls. Ours is put into its
// place and calls it. There are two kinds, of unary and of other calls.

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
// Here and not in the environment, so that a program that is started by hand
// does the same. TSAN_OPTIONS comes on top.

extern "C" const char* __tsan_default_options() {
  // Accesses made by interceptors (memcpy, free) on behalf of code that is not
  // instrumented are not judged. No edges by file descriptors, see above.
  // gRPC ends its timer's threads in the background, and a program may be over
  // before it has joined the last one.
  return "report_thread_leaks=0:ignore_noninstrumented_modules=1:io_sync=0:"
         "second_deadlock_stack=1";
}

// Each with its reason.
extern "C" const char* __tsan_default_suppressions() {
  return
      // A reactor of a server has its OnDone() and OnCancel() called by gRPC's
      // executor, on a thread that nothing we tell of orders with the one that
      // finished the call. Servers are what tests call, not what they test.
      "race:::ServerCallbackUnaryImpl::\n"
      "race:grpc::Server::CallbackRequest<\n"
      "race:tests/support/fault_server.cc\n"
      "race:testing::HealthService::Reactor::\n"
      "race:testing::RawServer::Service::Reactor::\n"
      // So is the OnDone() of a client's stream, which in these tests does
      // nothing but tell the test.
      "race:TellOfTheStreamsEnd\n";
}
