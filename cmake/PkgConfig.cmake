# firebreak.pc, firebreak-admin.pc, firebreak-testing.pc and
# firebreak-prometheus.pc, for those who build without CMake:
#
#   c++ $(pkg-config --cflags firebreak-admin) main.cc \
#       $(pkg-config --libs firebreak-admin)
#
# Whoever links a static library has to link all that it needs, so all of that
# is in Requires, not in Requires.private. For a shared library, Requires has
# only what the public headers use.

# packages_of(OUT TARGET_OR_LIBRARY...): the pkg-config names of libraries such
# as absl::status, and of what our own targets link.
function(packages_of OUT)
  set(libraries)
  foreach(name ${ARGN})
    if(name MATCHES "::")
      list(APPEND libraries ${name})
    else()
      get_target_property(linked ${name} INTERFACE_LINK_LIBRARIES)
      list(APPEND libraries ${linked})
    endif()
  endforeach()
  list(FILTER libraries INCLUDE REGEX "^(absl|gRPC|protobuf|prometheus-cpp)::")
  list(TRANSFORM libraries REPLACE "^absl::" "absl_")
  list(TRANSFORM libraries REPLACE "^gRPC::" "")
  list(TRANSFORM libraries REPLACE "^protobuf::lib" "")
  list(TRANSFORM libraries REPLACE "^prometheus-cpp::" "prometheus-cpp-")
  list(REMOVE_DUPLICATES libraries)
  list(SORT libraries)
  list(JOIN libraries " " libraries)
  set(${OUT} ${libraries} PARENT_SCOPE)
endfunction()

# Paths are relative to the file itself, so that an installation can be moved.
set(PC_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(PC_PREFIX ${CMAKE_INSTALL_PREFIX})
  set(PC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
else()
  file(RELATIVE_PATH up /${PC_DIR} /)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(PC_PREFIX "\${pcfiledir}/${up}")
  set(PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  set(PC_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
else()
  set(PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()

# pkg_config(NAME DESCRIPTION REQUIRES LIBS)
function(pkg_config PC_NAME PC_DESCRIPTION PC_REQUIRES PC_LIBS)
  configure_file(cmake/firebreak.pc.in
    ${PROJECT_BINARY_DIR}/${PC_NAME}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${PC_NAME}.pc
    DESTINATION ${PC_DIR} COMPONENT dev)
endfunction()

set(ours "firebreak = ${PROJECT_VERSION}")
if(BUILD_SHARED_LIBS)
  packages_of(packages ${FIREBREAK_PUBLIC_DEPS})
  pkg_config(firebreak "${PROJECT_DESCRIPTION}"
    "${packages}" "-lfirebreak -pthread")
  pkg_config(firebreak-admin "The admin service of firebreak" "${ours}" "")
else()
  packages_of(packages firebreak_firebreak firebreak_proto firebreak_core)
  pkg_config(firebreak "${PROJECT_DESCRIPTION}" "${packages}"
    "-lfirebreak_firebreak -lfirebreak_proto -lfirebreak_core -pthread")
  pkg_config(firebreak-admin "The admin service of firebreak"
    "${ours}" "-lfirebreak_admin")
endif()
pkg_config(firebreak-testing "For tests of code that uses firebreak"
  "${ours}" "-lfirebreak_testing")
if(FIREBREAK_PROMETHEUS_TARGET)
  packages_of(packages prometheus-cpp::core)
  pkg_config(firebreak-prometheus "Metrics of firebreak for Prometheus"
    "${ours} ${packages}" "-lfirebreak_prometheus")
endif()
