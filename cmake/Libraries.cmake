# The libraries as users see them.
#
# Without BUILD_SHARED_LIBS they are the static ones of firebreak_library().
# With it they are libfirebreak, which has all of core, engine, interceptors and
# admin service, libfirebreak_prometheus and libfirebreak_testing. The static
# ones are then only parts of these and of our own programs. docs/adr/0021 says
# why it is split like this.

# What the public headers include.
set(FIREBREAK_PUBLIC_DEPS
  gRPC::grpc++ protobuf::libprotobuf
  absl::optional absl::status absl::statusor absl::strings)

if(BUILD_SHARED_LIBS)
  # shared_library(TARGET NAME PART...): has the objects of these static ones.
  function(shared_library TARGET NAME)
    set(objects)
    foreach(part ${ARGN})
      list(APPEND objects $<TARGET_OBJECTS:${part}>)
    endforeach()
    add_library(${TARGET} SHARED ${objects})
    add_library(firebreak::${NAME} ALIAS ${TARGET})
    # Before 1.0 each version may have another binary interface.
    set_target_properties(${TARGET} PROPERTIES
      EXPORT_NAME ${NAME}
      LINKER_LANGUAGE CXX
      VERSION ${PROJECT_VERSION}
      SOVERSION ${PROJECT_VERSION})
    target_compile_features(${TARGET} PUBLIC cxx_std_17)
    target_include_directories(${TARGET}
      PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_include_directories(${TARGET} SYSTEM
      PUBLIC $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>)
    target_link_options(${TARGET} PRIVATE LINKER:--no-undefined)
  endfunction()

  shared_library(firebreak_shared firebreak
    firebreak_core firebreak_proto firebreak_firebreak firebreak_admin)
  set_target_properties(firebreak_shared PROPERTIES OUTPUT_NAME firebreak)
  target_link_libraries(firebreak_shared
    PUBLIC ${FIREBREAK_PUBLIC_DEPS}
    PRIVATE absl::btree absl::flat_hash_map absl::flat_hash_set
      absl::inlined_vector absl::span absl::str_format absl::time
      Threads::Threads)
  # Users know the libraries by these names, shared or static.
  foreach(part admin core proto)
    add_library(firebreak_${part}_of_shared INTERFACE)
    set_target_properties(firebreak_${part}_of_shared
      PROPERTIES EXPORT_NAME ${part})
    target_link_libraries(firebreak_${part}_of_shared
      INTERFACE firebreak_shared)
    add_library(firebreak::${part} ALIAS firebreak_${part}_of_shared)
  endforeach()
  set(FIREBREAK_TARGETS firebreak_shared firebreak_admin_of_shared
    firebreak_core_of_shared firebreak_proto_of_shared)

  if(TARGET firebreak_prometheus)
    # Core's functions have no state of their own, so a second copy does no
    # harm.
    shared_library(firebreak_prometheus_shared prometheus
      firebreak_prometheus firebreak_core)
    set_target_properties(firebreak_prometheus_shared PROPERTIES
      OUTPUT_NAME firebreak_prometheus)
    target_link_libraries(firebreak_prometheus_shared
      PUBLIC firebreak_shared prometheus-cpp::core
      PRIVATE absl::inlined_vector absl::span absl::str_format)
    set(FIREBREAK_PROMETHEUS_TARGET firebreak_prometheus_shared)
  endif()

  shared_library(firebreak_testing_shared testing
    firebreak_testing firebreak_core)
  set_target_properties(firebreak_testing_shared PROPERTIES
    OUTPUT_NAME firebreak_testing)
  target_link_libraries(firebreak_testing_shared
    PUBLIC firebreak_shared
    PRIVATE absl::inlined_vector absl::span absl::str_format)
  list(APPEND FIREBREAK_TARGETS firebreak_testing_shared)
else()
  set(FIREBREAK_TARGETS
    firebreak_core firebreak_proto firebreak_firebreak firebreak_admin
    firebreak_testing)
  if(TARGET firebreak_prometheus)
    set(FIREBREAK_PROMETHEUS_TARGET firebreak_prometheus)
  endif()
endif()
