#include "tests/bench/overhead/allocations.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

// This is the other name of glibc's own malloc.
extern "C" void* __libc_malloc(size_t size);  // NOLINT

namespace firebreak::bench {
namespace {

constexpr int kDepth = 24;
constexpr int kMaxRecords = 100'000;

struct Record {
  std::array<void*, kDepth> frames;
  int depth;
};

std::atomic<bool> g_counting{false};
std::atomic<int> g_count{0};
Record* g_records = nullptr;
thread_local bool t_inside = false;

void Note() {
  if (!g_counting.load(std::memory_order_relaxed) || t_inside) return;
  t_inside = true;  // backtrace() may allocate
  const int n = g_count.fetch_add(1);
  if (n < kMaxRecords) {
    g_records[n].depth = backtrace(g_records[n].frames.data(), kDepth);
  }
  t_inside = false;
}

std::string Demangle(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

enum class Owner { kNobody, kFirebreak, kOther };

Owner OwnerOf(const char* mangled) {
  const absl::string_view name = mangled;
  for (const char* not_ours :
       {"_ZN9firebreak5bench", "_ZNK9firebreak5bench", "_ZZN9firebreak5bench",
        "_ZN9firebreak7testing", "_ZNK9firebreak7testing"}) {
    if (absl::StartsWith(name, not_ours)) return Owner::kOther;
  }
  for (const char* skipped :
       {"_ZNSt", "_ZNKSt", "_ZSt", "_Znw", "_Zna", "_ZN4absl", "_ZNK4absl",
        "_ZN9__gnu_cxx", "malloc"}) {
    if (absl::StartsWith(name, skipped)) return Owner::kNobody;
  }
  for (const char* ours : {"_ZN9firebreak", "_ZNK9firebreak", "_ZZN9firebreak",
                           "_ZZNK9firebreak"}) {
    if (absl::StartsWith(name, ours)) return Owner::kFirebreak;
  }
  return Owner::kOther;
}

// Returns the function that asked for it if that is ours, else an empty string.
std::string OurPlace(const Record& record) {
  // The first two frames are in this file.
  for (int i = 2; i < record.depth; ++i) {
    Dl_info info;
    void* const frame = record.frames[static_cast<size_t>(i)];
    if (dladdr(frame, &info) == 0) return "";
    // Static functions have no name here. Those of gRPC are in a library.
    if (info.dli_sname == nullptr) {
      if (absl::StrContains(info.dli_fname, ".so")) return "";
      return "a function without a name";
    }
    switch (OwnerOf(info.dli_sname)) {
      case Owner::kNobody:
        continue;
      case Owner::kFirebreak:
        return Demangle(info.dli_sname);
      case Owner::kOther:
        return "";
    }
  }
  return "";
}

}  // namespace

void StartCounting() {
  std::array<void*, 2> prime{};
  backtrace(prime.data(), 2);
  g_records = static_cast<Record*>(__libc_malloc(sizeof(Record) * kMaxRecords));
  g_count = 0;
  g_counting = true;
}

Allocations StopCounting() {
  g_counting = false;
  Allocations out;
  out.all = g_count;
  std::map<std::string, int> places;
  for (int i = 0; i < g_count && i < kMaxRecords; ++i) {
    const std::string place = OurPlace(g_records[i]);
    if (!place.empty()) ++places[place];
  }
  for (const auto& entry : places) {
    out.ours += entry.second;
    out.places.push_back(absl::StrCat(entry.second, " ", entry.first));
  }
  return out;
}

}  // namespace firebreak::bench

// NOLINTNEXTLINE: it replaces the C library's on purpose.
extern "C" void* malloc(size_t size) {
  firebreak::bench::Note();
  return __libc_malloc(size);
}
