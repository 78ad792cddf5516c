// Marks the public symbols when firebreak is built as a shared library. All
// other symbols are hidden.
//
//   class FIREBREAK_EXPORT Engine { ... };
//   FIREBREAK_EXPORT void LogToStderr(LogLevel level, const std::string& line);
//
// In a static build it changes nothing that a user of the library can see.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_EXPORT_H_
#define FIREBREAK_INCLUDE_FIREBREAK_EXPORT_H_

#if defined(__GNUC__) || defined(__clang__)
#define FIREBREAK_EXPORT __attribute__((visibility("default")))
#else
#define FIREBREAK_EXPORT
#endif

#endif  // FIREBREAK_INCLUDE_FIREBREAK_EXPORT_H_
