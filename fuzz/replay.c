/* replay.c: a plain main for a fuzz target, where libFuzzer is not: runs each file named on the command line,
 * and each file in the folders named there, once. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_SIZE_MAX ((size_t)16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fail(const char *path) {
  fprintf(stderr, "%s: %s\n", path, strerror(errno));
  return 1;
}

static int replay_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return fail(path);
  int result = 1;
  uint8_t *data = malloc(INPUT_SIZE_MAX);
  if (data != NULL) {
    size_t size = fread(data, 1, INPUT_SIZE_MAX, file);
    /* A block of the input's own size, so that a sanitizer sees the first byte that is read past its end. */
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    if (exact != NULL && ferror(file) == 0) {
      memcpy(exact, data, size);
      result = LLVMFuzzerTestOneInput(exact, size);
    }
    free(exact);
  }
  free(data);
  (void)fclose(file);
  return result == 0 ? 0 : fail(path);
}

static int replay_folder(const char *path) {
  DIR *folder = opendir(path);
  if (folder == NULL) return fail(path);
  int result = 0;
  struct dirent *entry;
  while (result == 0 && (entry = readdir(folder)) != NULL) {
    if (entry->d_name[0] == '.') continue;
    char name[PATH_MAX];
    int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    result = length < 0 || (size_t)length >= sizeof name ? fail(path) : replay_file(name);
  }
  (void)closedir(folder);
  return result;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    struct stat info;
    if (stat(argv[i], &info) != 0) return fail(argv[i]);
    int result = S_ISDIR(info.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]);
    if (result != 0) return result;
  }
  return 0;
}
