// Converts calls from the engine's tape into the blocks of a recording.
//
//   CallBlocks blocks(core, selector, share);
//   blocks.Take(call, attempts);
//   if (blocks.is_full()) v1::CallBlock block = blocks.Cut();
//
// Each name is looked up once per block and method.
//
// Thread safety: none. Ownership: `core` outlives it.
#ifndef FIREBREAK_SRC_ADMIN_STREAMS_CALL_BLOCKS_H_
#define FIREBREAK_SRC_ADMIN_STREAMS_CALL_BLOCKS_H_

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

  // Adds a call. Does nothing if its method is not selected.
  void Take(const core::CallTape::Call& call,
            const core::CallTape::Attempt* attempts);
  void AddLost(int64_t calls) { block_.set_lost(block_.lost() + calls); }
  // Whether to cut it. Far below the limit of a message, even with long names.
  bool is_full() const;
  bool is_empty() const { return block_.calls().empty(); }
  // Returns the present block, and begins another.
  v1::CallBlock Cut();

  // Read once for all blocks, so that their times agree.
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
  // The present block, its first time, and its numbered names.
  v1::CallBlock block_;
  core::Time base_;
  size_t bytes_ = 0;
  absl::flat_hash_map<std::string, uint32_t> numbers_;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_STREAMS_CALL_BLOCKS_H_
