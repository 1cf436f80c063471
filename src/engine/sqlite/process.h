/* process.h: SQLite as a whole process has it. */
#ifndef TP_ENGINE_SQLITE_PROCESS_H
#define TP_ENGINE_SQLITE_PROCESS_H

/* SQLite counts its memory under a lock, which is taken for every block. Nothing of ours asks for that count.
 * A program of ours, in which nobody else uses SQLite, has it not counted: to be called before any thread
 * uses SQLite, and without effect afterwards. Never from a library, whose process is somebody else's. */
void tp_sqlite_process_is_ours(void);

#endif
