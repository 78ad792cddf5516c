// The orders of the order service, kept in an SQLite file.
//
//   absl::StatusOr<std::unique_ptr<OrderBook>> book = OrderBook::Open(path);
//   (*book)->Begin(order);                        // written when this returns
//   (*book)->Move(id, State::kBegun, State::kReserved);
//   for (const Order& order : *(*book)->In(State::kReserved, ...)) ...
//
// What is written survives the end of the process, however it ends. It is not
// flushed to the disk each time (WAL, synchronous=NORMAL): a power cut may lose
// the last orders, but leaves none incomplete.
//
// No row contains a time, and no id is made from one, so a clock that jumps
// changes nothing.
//
// Only one process can have the file open; Open() of another one fails. Errors:
//   UNAVAILABLE         another process has it, and did not close it in time
//   DATA_LOSS           it is no database, or is damaged
//   RESOURCE_EXHAUSTED  the disk is full
//   INTERNAL            other errors, with SQLite's message
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
  // The state of an order. In the first four there is still something to do.
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

  // Writes a new order. If it exists already, nothing is written, and the
  // stored one is returned.
  absl::StatusOr<Order> Begin(const Order& order);
  // NOT_FOUND if there is no such order.
  absl::StatusOr<Order> Get(const std::string& id);
  // Does nothing if the order is no longer in `from`.
  absl::Status Move(const std::string& id, State from, State to);
  // The first orders in this state, at most `limit`. If there are several
  // readers, `parts`, each one gets the orders of its own `part`.
  absl::StatusOr<std::vector<Order>> In(State state, int limit, int part = 0,
                                        int parts = 1);
  // The number of orders by state; index 0 is not used.
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
  // Runs the statement to its next row (true) or its end (false).
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
