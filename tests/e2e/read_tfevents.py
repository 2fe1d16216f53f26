"""read_tfevents.py FOLDER: prints `tag step value` of the folder's event files, as read by
TensorBoard's own reader."""
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: read_tfevents.py FOLDER")
    accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
    accumulator.Reload()
    for tag in sorted(accumulator.Tags()["scalars"]):
        for event in accumulator.Scalars(tag):
            print(tag, event.step, f"{event.value:.9g}")


main()
