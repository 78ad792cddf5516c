// The orders that have been charged, kept in a file across restarts.
//
//   shop::Ledger ledger;
//   if (!ledger.Open("/var/lib/shop/ledger")) ...   // reads what is there
//   ledger.Charge("order-1");    // true, and written before it returns
//   ledger.Charge("order-1");    // false: charged before
//
// A payment service that forgot its charges when it is killed would charge the
// orders whose answers were lost a second time.
//
// Thread safety: safe from any thread once it is open.
#ifndef FIREBREAK_EXAMPLES_SHOP_LEDGER_H_
#define FIREBREAK_EXAMPLES_SHOP_LEDGER_H_

#include <cstdint>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_set.h"

namespace shop {

class Ledger {
 public:
  // In memory only, until Open().
  Ledger() = default;
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Reads the file, which has one order id per line. False, with errno, if it
  // cannot be read or written.
  bool Open(const std::string& path);
  // Charges the order. False if it was charged before.
  bool Charge(const std::string& order_id);
  int64_t size() const;

 private:
  int file_ = -1;
  mutable std::mutex mu_;
  absl::flat_hash_set<std::string> orders_;  // guarded by mu_
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_LEDGER_H_
