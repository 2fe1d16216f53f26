/* What is not OpenCL: packages, graphics hardware, rights on device files, folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define PATH 1024
#define NEAR_FULL (64ull << 20)

const struct package package_pocl = {"pocl-opencl-icd", NULL, "pocl", "pocl"};
const struct maker_facts makers[MAKERS] = {
    [MAKER_AMD] = {0x1002, "AMD", "Advanced Micro Devices",
                   {"mesa-opencl-icd", NULL, "rocm-opencl", "rocm-opencl-runtime"}, "radeonsi"},
    [MAKER_INTEL] = {0x8086, "Intel", "Intel", {"intel-opencl-icd", NULL, NULL, "intel-compute-runtime"}, "iris"},
    [MAKER_NVIDIA] = {0x10de, "NVIDIA", "NVIDIA",
                      {"nvidia-opencl-icd", "", "xorg-x11-drv-nvidia-cuda", "opencl-nvidia"}, NULL},
};

static const char *variable_or(const char *name, const char *usual)
{
    const char *v = getenv(name);
    return v && *v ? v : usual;
}

enum system { SYSTEM_DEBIAN, SYSTEM_UBUNTU, SYSTEM_FEDORA, SYSTEM_ARCH, SYSTEM_OTHER };

/* ID and ID_LIKE of os-release; ROTE_TEST_OS names another file for tests. */
static enum system this_system(void)
{
    static const struct {
        const char *word;
        enum system system;
    } known[] = {{"ubuntu", SYSTEM_UBUNTU}, {"debian", SYSTEM_DEBIAN}, {"fedora", SYSTEM_FEDORA},
                 {"arch", SYSTEM_ARCH}};
    char line[256];
    enum system found = SYSTEM_OTHER;
    FILE *f = fopen(variable_or("ROTE_TEST_OS", "/etc/os-release"), "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "ID=", 3) && strncmp(line, "ID_LIKE=", 8))
            continue;
        for (size_t i = 0; i < COUNT(known); i++)
            if (strstr(line, known[i].word) && known[i].system != SYSTEM_DEBIAN)
                found = known[i].system;
            else if (strstr(line, known[i].word) && found == SYSTEM_OTHER)
                found = SYSTEM_DEBIAN;
    }
    if (f)
        fclose(f);
    return found;
}

/* On an unknown system, and where its name for a package is not known, Debian's name is the hint. */
const char *doctor_install(const struct package *p, char *out, size_t cap)
{
    enum system system = this_system();
    const char *debian = p->debian ? p->debian : "";
    if (system == SYSTEM_UBUNTU && p->ubuntu)
        snprintf(out, cap, *p->ubuntu ? "sudo apt-get install %s" : "sudo ubuntu-drivers install%s", p->ubuntu);
    else if ((system == SYSTEM_DEBIAN || system == SYSTEM_UBUNTU) && p->debian)
        snprintf(out, cap, "sudo apt-get install %s%s", p->debian,
                 strstr(p->debian, "nvidia") ? "   # from the non-free section" : "");
    else if (system == SYSTEM_FEDORA && p->fedora)
        snprintf(out, cap, "sudo dnf install %s%s", p->fedora,
                 strstr(p->fedora, "nvidia") ? "   # from RPM Fusion" : "");
    else if (system == SYSTEM_ARCH && p->arch)
        snprintf(out, cap, "sudo pacman -S %s", p->arch);
    else if (p->debian)
        snprintf(out, cap, "sudo apt-get install %s   # Debian's name for it", debian);
    else
        snprintf(out, cap, "see docs/doctor.md   # its maker's own packages");
    return out;
}

const char *doctor_quote(const char *path, char *out, size_t cap)
{
    size_t n = 0;
    if (!path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-=:,@%")]) {
        snprintf(out, cap, "%s", path);
        return out;
    }
    if (n + 1 < cap)
        out[n++] = '\'';
    for (; *path && n + 6 < cap; path++)
        n += (size_t)snprintf(out + n, cap - n, *path == '\'' ? "'\\''" : "%c", *path);
    snprintf(out + n, cap - n, "'");
    return out;
}

/* "card0", not the connectors "card0-HDMI-A-1". */
static int card_entry(const struct dirent *e)
{
    return !strncmp(e->d_name, "card", 4) && e->d_name[4] && !e->d_name[4 + strspn(e->d_name + 4, "0123456789")];
}

void doctor_scan_hardware(struct doctor *d)
{
    struct dirent **list = NULL;
    char folder[PATH], path[2 * PATH];
    snprintf(folder, sizeof folder, "%s/class/drm", variable_or("ROTE_TEST_SYS", "/sys"));
    int n = scandir(folder, &list, card_entry, alphasort);
    for (int i = 0; i < n; i++) {
        unsigned vendor = 0;
        snprintf(path, sizeof path, "%s/%s/device/vendor", folder, list[i]->d_name);
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%x", &vendor) == 1)
            for (int m = 0; m < MAKERS; m++)
                d->hardware[m] += vendor == makers[m].pci;
        if (f)
            fclose(f);
        free(list[i]);
    }
    free(list);
}

const char *doctor_rusticl(const struct doctor *d)
{
    for (int m = 0; m < MAKERS; m++)
        if (d->hardware[m] && makers[m].rusticl)
            return makers[m].rusticl;
    return "llvmpipe";
}

static const char *device_root(void)
{
    return variable_or("ROTE_TEST_DEV", "/dev");
}

static int render_entry(const struct dirent *e)
{
    return !strncmp(e->d_name, "renderD", 7);
}

static int has_device_files(void)
{
    struct dirent **list = NULL;
    char path[PATH];
    snprintf(path, sizeof path, "%s/dri", device_root());
    int n = scandir(path, &list, render_entry, alphasort);
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    snprintf(path, sizeof path, "%s/nvidiactl", device_root());
    return n > 0 || !access(path, F_OK);
}

static void mend_hardware(int m, char *out, size_t cap)
{
    char install[512];
    enum system system = this_system();
    doctor_install(&makers[m].package, install, sizeof install);
    if (!has_device_files())
        snprintf(out, cap, "%s\n%s   # in a container: its files in /dev are missing too", install,
                 m == MAKER_NVIDIA ? "docker run --gpus all ..." : "docker run --device /dev/dri ...");
    else if (m == MAKER_AMD && system != SYSTEM_FEDORA && system != SYSTEM_ARCH)
        snprintf(out, cap, "%s\nexport RUSTICL_ENABLE=%s", install, makers[m].rusticl);
    else
        snprintf(out, cap, "%s", install);
}

void doctor_hardware(struct doctor *d)
{
    char mend[1024];
    for (int m = 0; m < MAKERS; m++) {
        if (!d->hardware[m] || !d->looked)
            continue;
        mend_hardware(m, mend, sizeof mend);
        if (d->served[m])
            doctor_add(d, MARK_OK, "hardware", NULL, "%s graphics, with an OpenCL driver", makers[m].name);
        else
            doctor_add(d, MARK_FAULT, "hardware", mend, "%s graphics, but no platform offers a GPU of %s's",
                       makers[m].name, makers[m].name);
    }
}

/* Rights on device files */

static int in_group_list(gid_t gid)
{
    gid_t list[256];
    int n = getgroups(COUNT(list), list), in = getegid() == gid;
    for (int i = 0; i < n; i++)
        in |= list[i] == gid;
    return in;
}

/* The group may read and write, and a user may be added to it without becoming more than a user. */
static int group_helps(const struct stat *info)
{
    return info->st_gid != 0 && (info->st_mode & 060) == 060 && !in_group_list(info->st_gid);
}

/* Whether the group's list has the user already, who logged in before that. */
static int listed(const struct group *g)
{
    const struct passwd *me = getpwuid(geteuid());
    for (char **member = g ? g->gr_mem : NULL; me && member && *member; member++)
        if (!strcmp(*member, me->pw_name))
            return 1;
    return 0;
}

static void no_rights(struct doctor *d, const char *path, const struct stat *info)
{
    char mend[4 * PATH], quoted[PATH], number[32];
    const struct group *g = getgrgid(info->st_gid);
    snprintf(number, sizeof number, "%u", (unsigned)info->st_gid);
    const char *group = g ? g->gr_name : number;
    doctor_quote(path, quoted, sizeof quoted);
    if (!group_helps(info)) {
        snprintf(mend, sizeof mend, "sudo chgrp render %s && sudo chmod 660 %s", quoted, quoted);
        doctor_add(d, MARK_FAULT, "access", mend,
                   "%s cannot be opened, and its group %s does not help: its mode is %03o", path, group,
                   (unsigned)info->st_mode & 0777u);
    } else if (listed(g)) {
        snprintf(mend, sizeof mend, "newgrp %s   # or log out and in", group);
        doctor_add(d, MARK_FAULT, "access", mend,
                   "%s cannot be opened: you are in its group %s only from the next login on", path, group);
    } else {
        if (g)
            snprintf(mend, sizeof mend, "sudo usermod -aG %s $USER   # then log out and in", group);
        else
            snprintf(mend, sizeof mend, "sudo groupadd -g %s gpu-files\nsudo usermod -aG gpu-files $USER   "
                     "# then log out and in", group);
        doctor_add(d, MARK_FAULT, "access", mend,
                   "%s cannot be opened: it belongs to the group %s, which you are not in", path, group);
    }
}

/* 1: it opens. */
static int try_file(struct doctor *d, const char *path)
{
    struct stat info;
    char mend[4 * PATH], quoted[PATH];
    if (stat(path, &info))
        return 0;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK), e = errno;
    if (fd >= 0) {
        close(fd);
        return 1;
    }
    if (e == EACCES) {
        no_rights(d, path, &info);
    } else if (e == EPERM) {
        snprintf(mend, sizeof mend, "docker run --device %s ...", doctor_quote(path, quoted, sizeof quoted));
        doctor_add(d, MARK_FAULT, "access", mend, "%s cannot be opened: the container does not allow it", path);
    } else {
        doctor_add(d, MARK_FAULT, "access", "sudo dmesg | tail -n 50   # what its kernel driver says",
                   "%s cannot be opened: %s", path, strerror(e));
    }
    return 0;
}

/* nvidia0, nvidiactl, nvidia-uvm; not the folders nvidia-caps, nor nvidia-modeset. */
static int nvidia_entry(const struct dirent *e)
{
    const char *rest = e->d_name + 6;
    if (strncmp(e->d_name, "nvidia", 6))
        return 0;
    return !strcmp(rest, "ctl") || !strcmp(rest, "-uvm") || (*rest && !rest[strspn(rest, "0123456789")]);
}

static int kfd_entry(const struct dirent *e)
{
    return !strcmp(e->d_name, "kfd");
}

static void try_files(struct doctor *d, const char *folder, int (*wanted)(const struct dirent *), int *opened)
{
    struct dirent **list = NULL;
    char path[2 * PATH];
    int n = scandir(folder, &list, wanted, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name);
        *opened += try_file(d, path);
        free(list[i]);
    }
    free(list);
}

void doctor_access(struct doctor *d)
{
    char folder[PATH];
    int opened = 0;
    snprintf(folder, sizeof folder, "%s/dri", device_root());
    try_files(d, folder, render_entry, &opened);
    try_files(d, device_root(), kfd_entry, &opened);
    try_files(d, device_root(), nvidia_entry, &opened);
    if (opened)
        doctor_add(d, MARK_OK, "access", NULL, "%d device file%s of graphics hardware can be opened", opened,
                   opened == 1 ? "" : "s");
}

/* Folders */

/* The nearest folder above path that exists, path included. */
static void nearest(const char *path, char out[PATH])
{
    struct stat info;
    snprintf(out, PATH, "%s", path);
    while (stat(out, &info) && errno != EACCES) {
        char *slash = strrchr(out, '/');
        if (!slash) {
            snprintf(out, PATH, ".");
            return;
        }
        slash[slash == out] = 0; /* "/" stays */
        if (!strcmp(out, "/"))
            return;
    }
}

/* Writes and removes a file in an existing folder; 0, or an errno. */
static int try_write(const char *folder)
{
    char path[PATH + 32], block[4096] = {1};
    int e = 0;
    snprintf(path, sizeof path, "%s/.rote-doctor-XXXXXX", folder);
    int fd = mkstemp(path);
    if (fd < 0)
        return errno;
    ssize_t n = write(fd, block, sizeof block);
    if (n != (ssize_t)sizeof block || fsync(fd))
        e = n < 0 ? errno : ENOSPC;
    close(fd);
    unlink(path);
    return e;
}

static int writable(const char *folder)
{
    struct stat info;
    if (stat(folder, &info))
        return errno;
    return S_ISDIR(info.st_mode) ? try_write(folder) : ENOTDIR;
}

static void cache_fault(struct doctor *d, const char *folder, const char *there, int e)
{
    char mend[4 * PATH], quoted[PATH];
    const char *why = e == ENOSPC  ? "its file system is full"
                      : e == EROFS ? "its file system is read-only"
                      : e == ENOTDIR ? "this is a file"
                                     : strerror(e);
    doctor_quote(there, quoted, sizeof quoted);
    if (e == ENOSPC)
        snprintf(mend, sizeof mend, "df -h %s   # then free some of it, or\nexport ROTE_CACHE=/tmp/rote-cache", quoted);
    else if (e == EACCES)
        snprintf(mend, sizeof mend, "sudo chown \"$USER\" %s   # or\nexport ROTE_CACHE=/tmp/rote-cache", quoted);
    else
        snprintf(mend, sizeof mend, "export ROTE_CACHE=/tmp/rote-cache");
    if (strcmp(folder, there))
        doctor_add(d, MARK_FAULT, "cache", mend, "%s cannot be made: %s: %s", folder, there, why);
    else
        doctor_add(d, MARK_FAULT, "cache", mend, "%s cannot be written: %s", folder, why);
}

/* The folder that the library takes (docs/library.md). */
static void check_cache(struct doctor *d)
{
    char folder[PATH], there[PATH];
    struct statvfs disk;
    const char *own = variable_or("ROTE_CACHE", NULL), *xdg = variable_or("XDG_CACHE_HOME", NULL);
    if (own)
        snprintf(folder, sizeof folder, "%s", own);
    else if (xdg)
        snprintf(folder, sizeof folder, "%s/rote", xdg);
    else
        snprintf(folder, sizeof folder, "%s/.cache/rote", variable_or("HOME", "/tmp"));
    if (getenv("ROTE_NO_CACHE")) {
        doctor_add(d, MARK_NOTE, "cache", "unset ROTE_NO_CACHE",
                   "ROTE_NO_CACHE is set: every start compiles all kernels");
        return;
    }
    nearest(folder, there);
    int e = writable(there);
    unsigned long long left = ~0ull;
    if (e) {
        cache_fault(d, folder, there, e);
        return;
    }
    if (!statvfs(there, &disk))
        left = (unsigned long long)disk.f_bavail * disk.f_frsize;
    if (left < NEAR_FULL)
        doctor_add(d, MARK_NOTE, "cache", NULL, "%s: only %llu MiB are left on its file system", folder, left >> 20);
    else
        doctor_add(d, MARK_OK, "cache", NULL, "%s can be %s", folder, strcmp(folder, there) ? "made" : "written");
}

static void check_runs(struct doctor *d)
{
    struct stat info;
    const char *folder = stat("runs", &info) ? "." : "runs";
    int e = writable(folder);
    if (!e)
        doctor_add(d, MARK_OK, "runs", NULL, "runs/ here can be %s", *folder == '.' ? "made" : "written");
    else
        doctor_add(d, MARK_NOTE, "runs", "rote train --out FOLDER",
                   "runs/ in this folder, where training writes, cannot be %s: %s", *folder == '.' ? "made" : "written",
                   e == ENOTDIR ? "it is a file" : strerror(e));
}

static int has_images(const char *folder)
{
    char path[2 * PATH];
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder);
    if (!access(path, R_OK))
        return 1;
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte.gz", folder);
    return !access(path, R_OK);
}

/* ROTE_TEST_DATA names another folder for tests to look in instead. */
static void check_data(struct doctor *d)
{
    static const char *const usual[] = {"/usr/share/datasets/fashion-mnist", "/usr/share/dataset-fashion-mnist"};
    static const struct package package = {"dataset-fashion-mnist", NULL, NULL, NULL};
    char mend[512];
    const char *test = getenv("ROTE_TEST_DATA"), *found = test && has_images(test) ? test : NULL;
    for (size_t i = 0; !test && !found && i < COUNT(usual); i++)
        found = has_images(usual[i]) ? usual[i] : NULL;
    if (found)
        doctor_add(d, MARK_OK, "data", NULL, "Fashion-MNIST in %s", found);
    else
        doctor_add(d, MARK_NOTE, "data", doctor_install(&package, mend, sizeof mend),
                   "Fashion-MNIST is not in %s; training on other data does not need it", test ? test : usual[0]);
}

void doctor_folders(struct doctor *d)
{
    check_cache(d);
    check_runs(d);
    check_data(d);
}
