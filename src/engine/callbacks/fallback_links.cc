#include "src/engine/callbacks/fallback_links.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/engine/callbacks/fallback_types.h"

namespace firebreak {
namespace engine {
namespace {

constexpr std::size_t kMaxName = 32;
constexpr std::size_t kMaxCacheEntries = 1'000'000;
constexpr std::size_t kMaxCacheBytes = 1 << 30;
constexpr core::Duration kMaxAge = std::chrono::hours(24) * 366;

bool IsName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxName &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") ==
             absl::string_view::npos;
}

void CheckCache(absl::string_view where, const core::ReplyCache::Options& is,
                std::vector<std::string>* faults) {
  if (is.max_entries < 1 || is.max_entries > kMaxCacheEntries) {
    faults->push_back(absl::StrCat(where, ".max_entries: is ", is.max_entries,
                                   "; allowed 1 to ", kMaxCacheEntries));
  }
  if (is.max_bytes < 1 || is.max_bytes > kMaxCacheBytes) {
    faults->push_back(absl::StrCat(where, ".max_bytes: is ", is.max_bytes,
                                   "; allowed 1 to ", kMaxCacheBytes));
  }
  if (is.max_age < std::chrono::milliseconds(1) || is.max_age > kMaxAge) {
    faults->push_back(absl::StrCat(where, ".max_age: is ",
                                   std::chrono::nanoseconds(is.max_age).count(),
                                   " ns; allowed 1 ms to 366 days"));
  }
}

std::vector<std::string> FaultsOf(absl::string_view method,
                                  const std::vector<FallbackLink>& links) {
  std::vector<std::string> faults;
  if (links.empty() || links.size() > FallbackLinks::kMaxLinks) {
    faults.push_back(absl::StrCat("fallback: has ", links.size(),
                                  " links; allowed 1 to ",
                                  FallbackLinks::kMaxLinks));
  }
  for (std::size_t n = 0; n < links.size(); ++n) {
    const FallbackLink& link = links[n];
    const std::string where = absl::StrCat("fallback[", n, "]");
    if (!IsName(link.name)) {
      faults.push_back(
          absl::StrCat(where, ".name: is \"", link.name,
                       "\"; allowed 1 to 32 of a-z, 0-9, _ and -"));
    }
    for (std::size_t other = 0; other < n; ++other) {
      if (links[other].name != link.name) continue;
      faults.push_back(absl::StrCat(where, ".name: is \"", link.name,
                                    "\", as is that of fallback[", other,
                                    "]; allowed once"));
    }
    if (link.timeout < core::Duration::zero()) {
      faults.push_back(absl::StrCat(where, ".timeout: is negative"));
    }
    if (link.cache != nullptr) {
      CheckCache(where, link.cache->options(), &faults);
    } else if (!link.answer) {
      faults.push_back(absl::StrCat(where, ".answer: is null"));
    }
    const absl::Status fits = CheckFallback(method, link.answer);
    if (!fits.ok()) faults.push_back(std::string(fits.message()));
  }
  return faults;
}

}  // namespace

absl::string_view LinkEndName(LinkEnd end) {
  switch (end) {
    case LinkEnd::kAnswered:
      return "answered";
    case LinkEnd::kFailed:
      return "failed";
    case LinkEnd::kLate:
      return "late";
    case LinkEnd::kNotBegun:
      return "not_begun";
    case LinkEnd::kAbandoned:
      return "abandoned";
  }
  return "unknown";
}

absl::StatusOr<std::shared_ptr<const FallbackLinks>> FallbackLinks::Create(
    absl::string_view channel, absl::string_view method,
    const FallbackChain& chain, const FallbackLinks* before) {
  const std::vector<std::string> faults = FaultsOf(method, chain.links());
  if (!faults.empty()) {
    return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  }
  std::shared_ptr<FallbackLinks> made(new FallbackLinks());
  made->key_prefix_ = absl::StrCat(channel, method, "\n");
  for (const FallbackLink& each : chain.links()) {
    Link link;
    link.name = each.name;
    link.answer = each.answer;
    link.cache = each.cache;
    link.needs_no_thread =
        each.cache == nullptr && each.answer.target<FixedReply>() != nullptr;
    if (before != nullptr) {
      for (const Link& known : before->links_) {
        if (known.name == each.name) link.counters = known.counters;
      }
    }
    if (link.counters == nullptr) {
      link.counters = std::make_shared<LinkCounters>();
    }
    made->learns_ |= link.cache != nullptr;
    made->times_.push_back(each.timeout == core::Duration::zero()
                               ? core::kInfiniteDuration
                               : each.timeout);
    made->links_.push_back(std::move(link));
  }
  return std::shared_ptr<const FallbackLinks>(std::move(made));
}

std::string FallbackLinks::KeyOf(const grpc::ByteBuffer& request) const {
  return absl::StrCat(key_prefix_, BytesOf(request));
}

void FallbackLinks::Learn(const grpc::ByteBuffer& request,
                          const std::string& reply, core::Time now) const {
  const std::string key = KeyOf(request);
  for (const Link& link : links_) {
    if (link.cache != nullptr) link.cache->Keep(key, reply, now);
  }
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

grpc::ByteBuffer BufferOf(absl::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace engine

FallbackLink CachedReply(CachedReplyOptions options) {
  core::ReplyCache::Options bounds;
  bounds.max_entries = options.max_entries;
  bounds.max_bytes = options.max_bytes;
  bounds.max_age = options.max_age;
  FallbackLink link;
  link.name = std::move(options.name);
  link.answer = std::move(options.refill);
  link.timeout = options.timeout;
  link.cache = std::make_shared<core::ReplyCache>(bounds);
  return link;
}

FallbackLink DefaultReply(const google::protobuf::MessageLite& reply,
                          std::string name) {
  FixedReply fixed;
  fixed.reply_type = std::string(reply.GetTypeName());
  fixed.reply = engine::BufferOf(reply.SerializeAsString());
  return {std::move(name), std::move(fixed)};
}

}  // namespace firebreak
