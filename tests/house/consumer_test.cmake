# cmake -DBUILD_DIR=… -DSCRATCH_DIR=… -DGENERATOR=… -DCXX=… -DCXX_FLAGS=… -DPROGRAM=… -P consumer_test.cmake
# Installs the build into a scratch prefix, moves that prefix (a package must not know where it was born), then
# configures, builds and runs a project that finds it with find_package.
set(CONSUMER_DIR ${CMAKE_CURRENT_LIST_DIR}/consumer)
set(prefix "${SCRATCH_DIR}/moved prefix")
file(REMOVE_RECURSE ${SCRATCH_DIR})

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed (${result}):\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run("cmake --install" ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${SCRATCH_DIR}/prefix)
file(RENAME ${SCRATCH_DIR}/prefix ${prefix})
run("configuring the consumer" ${CMAKE_COMMAND} -S ${CONSUMER_DIR} -B ${SCRATCH_DIR}/build -G ${GENERATOR}
  -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_FLAGS=${CXX_FLAGS} -DCMAKE_PREFIX_PATH=${prefix})
run("building the consumer" ${CMAKE_COMMAND} --build ${SCRATCH_DIR}/build)
run("the consumer" ${SCRATCH_DIR}/build/consumer)
if(NOT output MATCHES "^stage,machine,.*\nnaive,tile,.*\nonline-q,tile,")
  message(FATAL_ERROR "the consumer printed:\n${output}")
endif()

file(GLOB_RECURSE headers RELATIVE ${prefix}/include ${prefix}/include/*)
foreach(header IN LISTS headers)
  if(NOT header MATCHES "^flashlab/sim/")
    message(FATAL_ERROR "a header was installed outside include/flashlab/sim: ${header}")
  endif()
endforeach()
if(PROGRAM AND NOT EXISTS ${prefix}/bin/${PROGRAM})
  message(FATAL_ERROR "bin/${PROGRAM} was not installed")
endif()
if(PROGRAM)
  run("the installed program" ${prefix}/bin/${PROGRAM} run online-q --machine simt --seq 33 --dim 32)
  # A profiled program is compiled and linked with what was installed, and with nothing of the build.
  set(ENV{XDG_CACHE_HOME} ${SCRATCH_DIR}/cache)
  set(profile ${prefix}/bin/${PROGRAM} profile ${CONSUMER_DIR}/../../simt/programs/transpose.cu --csv)
  run("the installed profiler" ${profile})
  if(NOT output MATCHES "dram__bytes_read.sum,byte,[1-9]")
    message(FATAL_ERROR "the installed profiler printed:\n${output}")
  endif()
  file(GLOB_RECURSE child ${prefix}/*/libflashlab_simt_child.a)
  file(REMOVE ${child})
  execute_process(COMMAND ${profile} RESULT_VARIABLE result ERROR_VARIABLE output OUTPUT_QUIET)
  if(NOT result EQUAL 3 OR NOT output MATCHES "libflashlab_simt_child.a is missing")
    message(FATAL_ERROR "the installed profiler does without its library (${result}):\n${output}")
  endif()
endif()

if(DEFINED ENV{FLASHLAB_CHECKS_FILE})
  file(APPEND $ENV{FLASHLAB_CHECKS_FILE} "11\n")  # five steps, the headers, the program and its three runs, what it printed
endif()
