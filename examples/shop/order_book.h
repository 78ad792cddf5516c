// What the order service must not forget, in an SQLite file.
//
//   absl::StatusOr<std::unique_ptr<OrderBook>> book = OrderBook::Open(path);
//   (*book)->Begin(order);                        // written when this returns
//   (*book)->Move(id, State::kBegun, State::kReserved);
//   for (const Order& order : *(*book)->In(State::kReserved, ...)) ...
//
// What is written outlives the process, however it ends. It is not forced to
// the disk each time (WAL, synchronous=NORMAL): a power cut may take the last
// orders along, but leaves no half ones.
//
// No row has a time in it, and no id is made of one: a clock that jumps changes
// nothing.
//
// One process has the file at a time: another one's Open() fails. Errors:
//   UNAVAILABLE         somebody else has it, and did not let go in time
//   DATA_LOSS           it is no database, or a broken one
//   RESOURCE_EXHAUSTED  the disk is full
//   INTERNAL            others, in SQLite's words
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_EXAMPLES_SHOP_ORDER_BOOK_H_
#define FIREBREAK_EXAMPLES_SHOP_ORDER_BOOK_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace shop {

class OrderBook {
 public:
  // Where an order is. From each of the first four something is still to do.
  enum class State {
    kBegun = 1,      // stock may be reserved, nothing is charged
    kReserved = 2,   // it is to be charged, and may have been
    kPaid = 3,       // its stock is to be confirmed
    kUndoing = 4,    // its stock is to be released; it will not be charged
    kConfirmed = 5,  // done
    kUndone = 6,
  };
  struct Order {
    std::string id;
    std::string user;
    int64_t cents = 0;
    State state = State::kBegun;
  };

  static absl::StatusOr<std::unique_ptr<OrderBook>> Open(
      const std::string& path);
  ~OrderBook();

  // Writes a new order. Of one that is there already, what is known: nothing is
  // written.
  absl::StatusOr<Order> Begin(const Order& order);
  // NOT_FOUND: there is none.
  absl::StatusOr<Order> Get(const std::string& id);
  // Does nothing where the order is not in `from` any more.
  absl::Status Move(const std::string& id, State from, State to);
  // The first orders in this state, `limit` at most. Of `parts` readers each
  // has those of its own `part`.
  absl::StatusOr<std::vector<Order>> In(State state, int limit, int part = 0,
                                        int parts = 1);
  // By state; index 0 is nothing.
  absl::StatusOr<std::vector<int64_t>> Counts();

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Database = std::unique_ptr<sqlite3, Close>;
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  explicit OrderBook(Database db) : db_(std::move(db)) {}
  absl::Status Setup(const std::string& path);
  absl::StatusOr<Statement> Prepare(const char* sql);
  // Runs it to its end, or to the next row (true).
  absl::StatusOr<bool> Step(sqlite3_stmt* statement);
  absl::StatusOr<Order> GetLocked(const std::string& id);

  std::mutex mu_;
  const Database db_;
  // All used under mu_.
  Statement insert_;
  Statement select_;
  Statement update_;
  Statement list_;
  Statement count_;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_ORDER_BOOK_H_
