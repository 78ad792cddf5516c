# The program that each of the projects in this folder builds, whichever way it
# gets firebreak. It uses `prometheus` if that target exists.

add_executable(consumer ${CMAKE_CURRENT_LIST_DIR}/main.cc)
target_link_libraries(consumer PRIVATE firebreak::firebreak firebreak::admin
  firebreak::testing)
if(TARGET firebreak::prometheus)
  target_link_libraries(consumer PRIVATE firebreak::prometheus)
  target_compile_definitions(consumer PRIVATE CONSUMER_HAS_PROMETHEUS)
endif()
