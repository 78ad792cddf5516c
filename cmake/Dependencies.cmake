# Finds what we build on. If the project that includes us has already found or
# built a target, we use that one.

if(NOT TARGET Threads::Threads)
  find_package(Threads REQUIRED)
endif()
if(NOT TARGET absl::status)
  find_package(absl CONFIG REQUIRED)
endif()
if(FIREBREAK_CORE_ONLY)
  return()
endif()

# Protobuf's own configuration comes first, since gRPC's asks for it too. It
# cannot be loaded after CMake's module has made the same targets.
if(NOT TARGET protobuf::libprotobuf)
  find_package(Protobuf CONFIG QUIET)
endif()
if(NOT TARGET protobuf::libprotobuf)
  find_package(Protobuf REQUIRED)
endif()

# If gRPC is built as a part of the project, its targets have no namespace.
foreach(name grpc++ grpc_cpp_plugin)
  if(TARGET ${name} AND NOT TARGET gRPC::${name})
    if(name STREQUAL grpc_cpp_plugin)
      add_executable(gRPC::${name} ALIAS ${name})
    else()
      add_library(gRPC::${name} ALIAS ${name})
    endif()
  endif()
endforeach()
if(NOT TARGET gRPC::grpc++)
  find_package(gRPC CONFIG REQUIRED)
endif()
# A gRPC that was built for another machine has no plugin that runs here.
if(NOT TARGET gRPC::grpc_cpp_plugin)
  find_program(FIREBREAK_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
  add_executable(gRPC::grpc_cpp_plugin IMPORTED)
  set_target_properties(gRPC::grpc_cpp_plugin PROPERTIES
    IMPORTED_LOCATION ${FIREBREAK_GRPC_CPP_PLUGIN})
endif()

if(FIREBREAK_PROMETHEUS AND NOT TARGET prometheus-cpp::core)
  if(FIREBREAK_PROMETHEUS STREQUAL AUTO)
    find_package(prometheus-cpp CONFIG QUIET)
  else()
    find_package(prometheus-cpp CONFIG REQUIRED)
  endif()
endif()
