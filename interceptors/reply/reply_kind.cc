#include "interceptors/reply/reply_kind.h"

#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace firebreak::interceptors {
namespace {

const void* FirstWord(const void* object) {
  const void* word;
  std::memcpy(&word, object, sizeof(word));
  return word;
}

}  // namespace

ReplyKinds::ReplyKinds() : modules_(Loaded()) {}

std::vector<ReplyKinds::Module> ReplyKinds::Loaded() {
  std::vector<Module> modules;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        Module module{UINTPTR_MAX, 0};
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& part = info->dlpi_phdr[i];
          if (part.p_type != PT_LOAD) continue;
          const std::uintptr_t begin = info->dlpi_addr + part.p_vaddr;
          module.begin = std::min(module.begin, begin);
          module.end =
              std::max<std::uintptr_t>(module.end, begin + part.p_memsz);
        }
        static_cast<std::vector<Module>*>(out)->push_back(module);
        return 0;
      },
      &modules);
  std::sort(modules.begin(), modules.end(),
            [](const Module& a, const Module& b) { return a.end < b.end; });
  return modules;
}

bool ReplyKinds::Contains(const std::vector<Module>& modules,
                          const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto found =
      std::upper_bound(modules.begin(), modules.end(), at,
                       [](std::uintptr_t value, const Module& each) {
                         return value < each.end;
                       });
  return found != modules.end() && at >= found->begin;
}

bool ReplyKinds::Fits(const void* reply, Codec codec) {
  return reply == nullptr ||
         IsMessage(reply, codec) == (codec == Codec::kProtobuf);
}

bool ReplyKinds::IsMessage(const void* reply, Codec codec) {
  const void* const functions = FirstWord(reply);
  if (functions == nullptr) return false;
  if (modules_.empty()) return codec == Codec::kProtobuf;
  // Virtual tables are at least 16 bytes apart.
  std::atomic<const void*>& place =
      known_[(reinterpret_cast<std::uintptr_t>(functions) >> 4U) % kPlaces];
  if (place.load(std::memory_order_relaxed) == functions) return true;
  const bool is_loaded =
      Contains(modules_, functions) ||
      (codec == Codec::kProtobuf && Contains(Loaded(), functions));
  if (is_loaded) place.store(functions, std::memory_order_relaxed);
  return is_loaded;
}

grpc::Status WrongCodec(absl::string_view method, Codec codec) {
  return {
      grpc::StatusCode::INTERNAL,
      codec == Codec::kProtobuf
          ? absl::StrCat("firebreak: ", method,
                         " is called with ByteBuffers (grpc::GenericStub) on a "
                         "channel for generated stubs; make the channel with "
                         "Engine::CreateGenericChannel(), or set "
                         "ChannelOptions::codec to Codec::kByteBuffer")
          : absl::StrCat("firebreak: ", method,
                         " is called by a generated stub on a channel for "
                         "ByteBuffers; make the channel with "
                         "Engine::CreateChannel() and Codec::kProtobuf")};
}

}  // namespace firebreak::interceptors
