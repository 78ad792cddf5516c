#include "examples/shop/order_book.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace shop {
namespace {

// How long to wait for another process that has the file, in milliseconds.
constexpr int kPatienceMs = 2000;

constexpr char kSetup[] = R"(
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, cents INTEGER NOT NULL,
    state INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS to_do ON orders (state) WHERE state < 5;
  BEGIN IMMEDIATE; COMMIT;
)";

absl::Status ErrorOf(int code, const std::string& what) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(
          absl::StrCat(what, ": another process has it open"));
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return absl::DataLossError(absl::StrCat(
          what, ": it is broken, or no database; keep it and use another"));
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          absl::StrCat(what, ": there is no space left"));
    default:
      // IOERR is here too: with a WAL file SQLite returns it for a full disk.
      return absl::InternalError(
          absl::StrCat(what, ": ", sqlite3_errstr(code)));
  }
}

void Bind(sqlite3_stmt* statement, int n, const std::string& text) {
  sqlite3_bind_text(statement, n, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
}

std::string TextOf(sqlite3_stmt* statement, int column) {
  const auto* const text = sqlite3_column_text(statement, column);
  return text == nullptr ? std::string() : reinterpret_cast<const char*>(text);
}

OrderBook::Order OrderOf(sqlite3_stmt* row) {
  OrderBook::Order order;
  order.id = TextOf(row, 0);
  order.user = TextOf(row, 1);
  order.cents = sqlite3_column_int64(row, 2);
  order.state = static_cast<OrderBook::State>(sqlite3_column_int(row, 3));
  return order;
}

// Makes a statement ready to be used again when this object is destroyed.
class Reset {
 public:
  explicit Reset(sqlite3_stmt* statement) : statement_(statement) {}
  ~Reset() { sqlite3_reset(statement_); }

 private:
  sqlite3_stmt* const statement_;
};

}  // namespace

void OrderBook::Close::operator()(sqlite3* db) const { sqlite3_close(db); }
void OrderBook::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

absl::StatusOr<std::unique_ptr<OrderBook>> OrderBook::Open(
    const std::string& path) {
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  std::unique_ptr<OrderBook> book(new OrderBook(Database(db)));
  if (code != SQLITE_OK) return ErrorOf(code, path);
  if (absl::Status s = book->Setup(path); !s.ok()) return s;
  return book;
}

OrderBook::~OrderBook() = default;

absl::Status OrderBook::Setup(const std::string& path) {
  sqlite3_busy_timeout(db_.get(), kPatienceMs);
  const int code = sqlite3_exec(db_.get(), kSetup, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return ErrorOf(code, path);
  auto check = Prepare("PRAGMA quick_check(1)");
  if (!check.ok()) return check.status();
  const auto row = Step(check->get());
  if (!row.ok()) return row.status();
  if (!*row || TextOf(check->get(), 0) != "ok") {
    return ErrorOf(SQLITE_CORRUPT, path);
  }
  for (const auto& [statement, sql] :
       {std::pair<Statement*, const char*>{
            &insert_,
            "INSERT INTO orders VALUES (?1, ?2, ?3, 1) ON CONFLICT DO NOTHING"},
        {&select_, "SELECT id, user, cents, state FROM orders WHERE id = ?1"},
        {&update_, "UPDATE orders SET state = ?3 WHERE id = ?1 AND state = ?2"},
        {&list_,
         "SELECT id, user, cents, state FROM orders WHERE state = ?1 AND "
         "state < 5 AND rowid % ?4 = ?3 ORDER BY rowid LIMIT ?2"},
        {&count_, "SELECT state, count(*) FROM orders GROUP BY state"}}) {
    auto prepared = Prepare(sql);
    if (!prepared.ok()) return prepared.status();
    *statement = *std::move(prepared);
  }
  return absl::OkStatus();
}

absl::StatusOr<OrderBook::Statement> OrderBook::Prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(db_.get(), sql, -1, &statement, nullptr);
  if (code != SQLITE_OK) return ErrorOf(code, "the orders' database");
  return Statement(statement);
}

absl::StatusOr<bool> OrderBook::Step(sqlite3_stmt* statement) {
  const int code = sqlite3_step(statement);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ErrorOf(code, "the orders' database");
}

absl::StatusOr<OrderBook::Order> OrderBook::Begin(const Order& order) {
  std::lock_guard<std::mutex> lock(mu_);
  const Reset reset(insert_.get());
  Bind(insert_.get(), 1, order.id);
  Bind(insert_.get(), 2, order.user);
  sqlite3_bind_int64(insert_.get(), 3, order.cents);
  if (auto row = Step(insert_.get()); !row.ok()) return row.status();
  return sqlite3_changes(db_.get()) == 1 ? order : GetLocked(order.id);
}

absl::StatusOr<OrderBook::Order> OrderBook::Get(const std::string& id) {
  std::lock_guard<std::mutex> lock(mu_);
  return GetLocked(id);
}

absl::StatusOr<OrderBook::Order> OrderBook::GetLocked(const std::string& id) {
  const Reset reset(select_.get());
  Bind(select_.get(), 1, id);
  const auto row = Step(select_.get());
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(id);
  return OrderOf(select_.get());
}

absl::Status OrderBook::Move(const std::string& id, State from, State to) {
  std::lock_guard<std::mutex> lock(mu_);
  const Reset reset(update_.get());
  Bind(update_.get(), 1, id);
  sqlite3_bind_int(update_.get(), 2, static_cast<int>(from));
  sqlite3_bind_int(update_.get(), 3, static_cast<int>(to));
  return Step(update_.get()).status();
}

absl::StatusOr<std::vector<OrderBook::Order>> OrderBook::In(State state,
                                                            int limit, int part,
                                                            int parts) {
  std::lock_guard<std::mutex> lock(mu_);
  const Reset reset(list_.get());
  sqlite3_bind_int(list_.get(), 1, static_cast<int>(state));
  sqlite3_bind_int(list_.get(), 2, limit);
  sqlite3_bind_int(list_.get(), 3, part);
  sqlite3_bind_int(list_.get(), 4, parts);
  std::vector<Order> orders;
  for (;;) {
    const auto row = Step(list_.get());
    if (!row.ok()) return row.status();
    if (!*row) return orders;
    orders.push_back(OrderOf(list_.get()));
  }
}

absl::StatusOr<std::vector<int64_t>> OrderBook::Counts() {
  std::lock_guard<std::mutex> lock(mu_);
  const Reset reset(count_.get());
  std::vector<int64_t> counts(static_cast<size_t>(State::kUndone) + 1);
  for (;;) {
    const auto row = Step(count_.get());
    if (!row.ok()) return row.status();
    if (!*row) return counts;
    const int state = sqlite3_column_int(count_.get(), 0);
    if (state > 0 && static_cast<size_t>(state) < counts.size()) {
      counts[static_cast<size_t>(state)] =
          sqlite3_column_int64(count_.get(), 1);
    }
  }
}

}  // namespace shop
