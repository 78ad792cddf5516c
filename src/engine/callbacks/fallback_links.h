// The fallbacks of a method as the engine keeps them: checked, and counted.
//
//   auto links = FallbackLinks::Create(channel, method, chain, before);
//   plan.fallback_times = (*links)->times();
//   (*links)->at(n).answer(request, failure, &reply);
//   (*links)->at(n).counters->Add(LinkEnd::kAnswered);
//
// Counters are kept by name. If a chain replaces another one, the links that
// both have keep their counters.
//
// Thread safety: immutable, except for its counters and caches, which are safe.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_FALLBACK_LINKS_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_FALLBACK_LINKS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "firebreak/export.h"
#include "firebreak/fallback.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/base/time.h"
#include "src/core/fallback/reply_cache.h"

namespace firebreak::engine {

using LinkEnd = core::CallDriver::LinkEnd;
inline constexpr std::array<LinkEnd, 5> kLinkEnds = {
    LinkEnd::kAnswered, LinkEnd::kFailed, LinkEnd::kLate, LinkEnd::kNotBegun,
    LinkEnd::kAbandoned};
// Returns "answered", "failed", "late", "not_begun" or "abandoned". Exported
// for libfirebreak_prometheus.
FIREBREAK_EXPORT absl::string_view LinkEndName(LinkEnd end);

class LinkCounters {
 public:
  void Add(LinkEnd end) { ++counts_[static_cast<std::size_t>(end)]; }
  int64_t of(LinkEnd end) const {
    return counts_[static_cast<std::size_t>(end)];
  }

 private:
  std::array<std::atomic<int64_t>, kLinkEnds.size()> counts_{};
};

class FallbackLinks {
 public:
  struct Link {
    std::string name;
    Fallback answer;  // null: it has a cache and no refill
    std::shared_ptr<core::ReplyCache> cache;  // or null
    bool needs_no_thread = false;             // FixedReply
    std::shared_ptr<LinkCounters> counters;
  };
  static constexpr std::size_t kMaxLinks = 8;
  // The name of a fallback that is not in a chain.
  static constexpr char kOnlyLink[] = "fallback";

  // Returns INVALID_ARGUMENT with every fault of the chain. `before` is what
  // the chain replaces, and may be null.
  static absl::StatusOr<std::shared_ptr<const FallbackLinks>> Create(
      absl::string_view channel, absl::string_view method,
      const FallbackChain& chain, const FallbackLinks* before);

  const std::vector<Link>& links() const { return links_; }
  const Link& at(int n) const { return links_[static_cast<std::size_t>(n)]; }
  absl::Span<const core::Duration> times() const { return times_; }
  // Whether a link has a cache, which keeps the replies of servers.
  bool learns() const { return learns_; }
  // Returns the key under which all caches keep the reply to `request`.
  std::string KeyOf(const grpc::ByteBuffer& request) const;
  void Learn(const grpc::ByteBuffer& request, const std::string& reply,
             core::Time now) const;

 private:
  FallbackLinks() = default;

  std::vector<Link> links_;
  std::vector<core::Duration> times_;
  std::string key_prefix_;
  bool learns_ = false;
};

// Convert between a serialized message in a ByteBuffer and its plain bytes.
std::string BytesOf(const grpc::ByteBuffer& buffer);
grpc::ByteBuffer BufferOf(absl::string_view bytes);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_FALLBACK_LINKS_H_
