import pytest
from femo_ros.statistics import Latency, Statistics


@pytest.fixture
def statistics():
    return Statistics(now=100.0)


def test_rates_and_latencies_are_those_since_the_report_before(statistics):
    statistics.listen(100.0)
    for step in range(30):
        statistics.received(100.0 + step / 15, dropped=step % 3 == 0)
    for milliseconds in range(1, 21):
        statistics.answered(101.0, 2, from_stamp=milliseconds / 100, from_arrival=milliseconds / 1000)
    report = statistics.report(102.0)
    assert (report.rate_in, report.rate_out, report.dropped, report.faces) == (15, 10, 10, 2)
    assert report.from_arrival == Latency(pytest.approx(10.5), pytest.approx(19.05))
    assert report.from_stamp == Latency(pytest.approx(105), pytest.approx(190.5))
    assert statistics.rate_out == 10

    report = statistics.report(103.0)
    assert (report.rate_in, report.rate_out, report.dropped) == (0, 0, 10)
    assert report.from_arrival is None


def test_images_without_a_stamp_have_no_latency_from_it(statistics):
    statistics.answered(100.5, 0, from_stamp=None, from_arrival=0.01)
    report = statistics.report(101.0)
    assert report.from_stamp is None
    assert report.from_arrival == Latency(pytest.approx(10), pytest.approx(10))


def test_errors_are_counted_by_kind_and_the_last_one_is_reported(statistics):
    statistics.undecodable("odd")
    statistics.failed("worse")
    report = statistics.report(101.0)
    assert (report.undecodable, report.failed, report.new_errors, report.last_error) == (1, 1, 2, "worse")
    report = statistics.report(102.0)
    assert (report.undecodable, report.failed, report.new_errors, report.last_error) == (1, 1, 0, "worse")


def test_the_time_without_an_image_counts_from_the_last_image_or_from_listening(statistics):
    assert statistics.report(101.0).since_image is None
    statistics.listen(101.0)
    report = statistics.report(103.0)
    assert (report.since_image, report.any_image) == (2.0, False)
    statistics.received(103.5, dropped=False)
    report = statistics.report(104.0)
    assert (report.since_image, report.any_image) == (0.5, True)
    statistics.answered(104.0, 3, None, 0.01)
    statistics.stop_listening()
    report = statistics.report(105.0)
    assert (report.since_image, report.any_image, report.faces) == (None, False, 0)


def test_images_without_a_result_are_timed_until_the_next_result(statistics):
    statistics.listen(100.0)
    assert statistics.report(100.5).since_result is None
    statistics.received(101.0, dropped=False)
    statistics.received(102.0, dropped=True)
    statistics.failed("odd")
    assert statistics.report(103.0).since_result == 2.0
    statistics.answered(103.5, 1, None, 0.01)
    assert statistics.report(104.0).since_result is None
    statistics.received(105.0, dropped=False)
    statistics.listen(106.0)
    assert statistics.report(110.0).since_result is None


def test_the_period_is_the_median_of_the_last_intervals_and_a_pause_is_none(statistics):
    statistics.listen(100.0)
    assert statistics.period is None
    for step in range(5):
        statistics.received(100.0 + 2.5 * step, dropped=False)
    assert statistics.period == 2.5
    statistics.listen(1000.0)
    statistics.received(1000.1, dropped=False)
    assert statistics.report(1001.0).period == 2.5


def test_idle_is_the_time_since_the_last_image_and_its_result(statistics):
    statistics.listen(100.0)
    assert statistics.idle(101.0) is None
    statistics.received(101.0, dropped=False)
    assert statistics.idle(102.0) is None  # the first result may take long
    statistics.answered(103.0, 1, None, 2.0)
    assert statistics.idle(104.0) == 1.0
    statistics.stop_listening()
    assert statistics.idle(105.0) is None


def test_another_clock_is_new_once(statistics):
    assert [statistics.clock_differs(offset) for offset in (None, -5.0, -5.1, None, 30.0)] == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert statistics.report(101.0).clock_offset == 30.0
