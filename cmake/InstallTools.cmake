# Installs firebreakctl with its completions and manual pages. The program
# itself prints the completions. The pages are made from its --help, if help2man
# is found.

install(TARGETS firebreakctl
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
if(CMAKE_CROSSCOMPILING)
  return()  # the program does not run here
endif()

set(FIREBREAK_ZSH_DIR ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING
  "Where zsh looks for completions")
set(dir ${PROJECT_BINARY_DIR}/tools/firebreakctl)
set(outputs)
foreach(shell bash zsh fish)
  add_custom_command(OUTPUT ${dir}/completion.${shell}
    COMMAND firebreakctl completion ${shell} > ${dir}/completion.${shell}
    DEPENDS firebreakctl VERBATIM)
  list(APPEND outputs ${dir}/completion.${shell})
endforeach()
install(FILES ${dir}/completion.bash RENAME firebreakctl
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
  COMPONENT tools)
install(FILES ${dir}/completion.zsh RENAME _firebreakctl
  DESTINATION ${FIREBREAK_ZSH_DIR} COMPONENT tools)
install(FILES ${dir}/completion.fish RENAME firebreakctl.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
  COMPONENT tools)

find_program(FIREBREAK_HELP2MAN help2man)
if(FIREBREAK_HELP2MAN)
  set(man ${dir}/man)
  add_custom_command(OUTPUT ${man}/firebreakctl.1
    COMMAND ${PROJECT_SOURCE_DIR}/cmake/man_pages.sh ${FIREBREAK_HELP2MAN}
      $<TARGET_FILE:firebreakctl> ${man}
    DEPENDS firebreakctl ${PROJECT_SOURCE_DIR}/cmake/man_pages.sh
    VERBATIM)
  list(APPEND outputs ${man}/firebreakctl.1)
  install(DIRECTORY ${man}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
    COMPONENT tools FILES_MATCHING PATTERN "*.1")
else()
  message(STATUS "help2man is not found: no manual pages")
endif()
add_custom_target(firebreakctl_extras ALL DEPENDS ${outputs})
