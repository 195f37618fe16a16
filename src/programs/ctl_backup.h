/* darasactl backup and restore. */
#ifndef PROGRAMS_CTL_BACKUP_H
#define PROGRAMS_CTL_BACKUP_H

/* Without the command's word: [--data DIR] FILE. Return the exit status, 2: wrong usage. */
int ctl_backup(int argc, char **argv);
int ctl_restore(int argc, char **argv);

#endif
