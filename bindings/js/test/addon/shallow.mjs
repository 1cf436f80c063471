// Loaded first (node --import), where the addon is built with a sanitizer: those refuse RTLD_DEEPBIND, with which the
// package loads it.

import { constants } from "node:os";
import process from "node:process";

const { dlopen } = process;
process.dlopen = (module, file, flags) => dlopen(module, file, flags & ~constants.dlopen.RTLD_DEEPBIND);
