#include "core/crash_points.hpp"

#include <dlfcn.h>

namespace harbinger::crash_detail {

std::atomic<crash_hook> hook{
    reinterpret_cast<crash_hook>(::dlsym(RTLD_DEFAULT, "harbinger_crash_point"))};

} // namespace harbinger::crash_detail
