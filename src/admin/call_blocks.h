// From the engine's tape to the blocks of a recording.
//
//   CallBlocks blocks(core, request, end);
//   blocks.Take(call, attempts);
//   if (blocks.is_full()) v1::CallBlock block = blocks.Cut();
//
// Names are looked up once for each block and method.
//
// Thread safety: none. Ownership: `core` outlives it.
#ifndef FIREBREAK_SRC_ADMIN_CALL_BLOCKS_H_
#define FIREBREAK_SRC_ADMIN_CALL_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "firebreak/v1/admin.pb.h"
#include "firebreak/v1/recording.pb.h"
#include "src/core/measure/call_tape.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"

namespace firebreak::admin {

class CallBlocks {
 public:
  CallBlocks(const engine::EngineCore* core, v1::MethodSelector selector,
             double share);

  // Of a method that is not selected, it does nothing.
  void Take(const core::CallTape::Call& call,
            const core::CallTape::Attempt* attempts);
  void AddLost(int64_t calls) { block_.set_lost(block_.lost() + calls); }
  // Far below what a message may hold, with the longest names.
  bool is_full() const;
  bool is_empty() const { return block_.calls().empty(); }
  // What there is, and begins another.
  v1::CallBlock Cut();

  // Read once: of all blocks, so that their times agree.
  const engine::WallClock& wall_clock() const { return wall_clock_; }

 private:
  struct Method {
    std::string channel;
    std::string method;
    bool is_wanted = false;
  };
  const Method& MethodOf(const core::MethodStats* stats);
  uint32_t NumberOf(absl::string_view name);
  void Begin();

  const engine::EngineCore* const core_;
  const v1::MethodSelector selector_;
  const double share_;
  const engine::WallClock wall_clock_;
  absl::flat_hash_map<const core::MethodStats*, Method> methods_;
  // Of the block.
  v1::CallBlock block_;
  core::Time base_;
  size_t bytes_ = 0;
  absl::flat_hash_map<std::string, uint32_t> numbers_;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_CALL_BLOCKS_H_
