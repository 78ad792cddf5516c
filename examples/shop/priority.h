// What the programs that measure do at their start.
#ifndef FIREBREAK_EXAMPLES_SHOP_PRIORITY_H_
#define FIREBREAK_EXAMPLES_SHOP_PRIORITY_H_

#include <string>

namespace shop {

// A demo of answers in under a millisecond would, on a machine that builds
// something else meanwhile, mostly show for how long others keep the cores. So
// it and the servers it starts go first, where that is permitted. Before there
// are threads.
void GoFirst();

// A folder of our own under the temporary one; empty when it cannot be made.
std::string MakeLogFolder();

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_PRIORITY_H_
